import { onTestFinished } from 'vitest';
import { type CollectOptions, collect } from '../../src/collect/collector.js';
import type { Source } from '../../src/collect/source.js';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import type { EventLog, LogRecord } from '../../src/eventlog/port.js';
import { decodeEvent } from '../../src/events/codec.js';
import type { Event, Stream } from '../../src/events/event.js';
import { replay } from '../../src/replay/replay.js';
import { Health } from '../../src/telemetry/health.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';

export const PLACE = { cluster: 'lab', host: 'hosta' };
export const PACE = { poll_ms_min: 1, poll_ms_max: 5, watched_ms_max: 5 };
export const clock = (): number => Date.now() * 1000;

export function eventLog(directory = temporaryDirectory(), bytes_max = 1 << 28): EventLog {
  const log = openLocalLog({ directory, bytes_max, retain_us: 1e15 });
  onTestFinished(() => log.close());
  return log;
}

export interface Collecting {
  health: Health;
  metrics: ReturnType<typeof createMetrics>;
  messages: string[];
  /** aborts it and waits for its end */
  stop(): Promise<void>;
  /** how it ended */
  ended: Promise<void>;
}

export function startCollecting(
  sources: readonly Source[],
  spool: CollectOptions['spool'],
  options: Partial<CollectOptions> = {},
): Collecting {
  const health = new Health(Date.now);
  const metrics = createMetrics({ version: 'test', parts: ['collect', 'event log'] });
  const messages: string[] = [];
  const say = (fields: object, message: string) => messages.push(`${message} ${JSON.stringify(fields)}`);
  const stop = new AbortController();
  const ended = collect({
    sources,
    spool,
    place: PLACE,
    settings: { heartbeat_every_s: 3600 },
    metrics: metrics.of,
    health,
    log: { info: say, warn: say, error: say },
    clock,
    signal: stop.signal,
    ...options,
  });
  ended.catch(() => {});
  return {
    health,
    metrics,
    messages,
    ended,
    stop: () => {
      stop.abort();
      return ended;
    },
  };
}

let groups = 0;

/** Every event that the log holds, in its order. */
export async function eventsIn(log: EventLog): Promise<Event[]> {
  const events: Event[] = [];
  const count = log.statistics().topics.events.records;
  if (count === 0) return events;
  const stop = new AbortController();
  await log.process({
    group: `test-${groups++}`,
    topic: 'events',
    signal: stop.signal,
    batch_records_max: 10_000,
    batch_bytes_max: 1 << 28,
    idle_ms: null,
    outputs: [],
    handler: {
      begin: async () => {},
      take: async (batch: readonly LogRecord[]) => {
        for (const { value } of batch) events.push(decodeEvent(value));
        if (events.length >= count) stop.abort();
        return [];
      },
      end: async () => {},
    },
  });
  return events;
}

/** Waits for what the world does in its own time; fails after some seconds. */
export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited_ms = 0; !(await isSo()); waited_ms += 5) {
    if (waited_ms > 20_000) throw new Error('it never came to that');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Of the events of its stream that a replay of the file gives, each once. */
export async function idsOfReplay(
  path: string,
  role: Extract<Stream, 'audit' | 'daemon-log' | 'guest-log'>,
): Promise<string[]> {
  const ids = new Set<string>();
  const host = {
    host: PLACE.host,
    streams: [{ role, files: [path] }],
    snapshots: [],
    times: { before: null, after: null },
  };
  const onEvents = async (events: Event[]) => {
    for (const { id, stream } of events) if (stream === role) ids.add(id);
  };
  await replay({ hosts: [host], ignored: [] }, { cluster: PLACE.cluster, onEvents });
  return [...ids];
}
