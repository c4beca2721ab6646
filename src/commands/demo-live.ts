import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SCHEMA } from '../config/schema.js';
import { printable } from '../domain/byte-text.js';
import type { Report } from '../domain/report.js';
import { clockTime } from '../domain/time.js';
import type { EventLog } from '../eventlog/port.js';
import { encodeEvent } from '../events/codec.js';
import type { Event } from '../events/event.js';
import { sourcesOfCapture } from '../replay/capture.js';
import { replay } from '../replay/replay.js';
import { storeSocket } from '../store/places.js';
import { connectStore, type StoreReader } from '../store/socket.js';
import { CORRELATE_GROUP } from '../stream/processor.js';
import { STORE_GROUP } from '../stream/store-writer.js';
import { Health } from '../telemetry/health.js';
import { createMetrics } from '../telemetry/metrics.js';
import { pause } from '../waiting/pause.js';
import { openLocal, silent } from './event-log.js';
import type { Io } from './io.js';
import { type RoleSurroundings, runStages } from './role.js';
import { correlating, isCaughtUp, storing } from './roles.js';
import { version } from './version.js';

/** A recorded fleet, played into what `run` puts together: event log, processor, store. */

const CLUSTER = 'demo';
/** a quarter of the incident's own time */
const TIMES_FASTER = 4;
const LOOK_EVERY_MS = 100;

/** @returns what the store says in the end */
export async function playLive(io: Io, capture: string, say: (line: string) => void): Promise<Report> {
  const events = await eventsOf(capture);
  const directory = await mkdtemp(join(tmpdir(), 'migration-audit-demo-'));
  const configuration = SCHEMA.parse({ cluster: CLUSTER, data_directory: directory });
  const surroundings: RoleSurroundings = {
    configuration: () => configuration,
    logger: silent,
    metrics: createMetrics({ version: version(), parts: [] }),
    health: new Health(Date.now),
    signal: io.signal,
  };
  try {
    const log = await openLocal(configuration, false);
    let report: Report | null = null;
    const playing = async (signal: AbortSignal) => {
      const store = await reachStore(storeSocket(configuration), signal);
      if (store === null) return;
      const watching = new AbortController();
      const watched = watch(store, say, AbortSignal.any([signal, watching.signal]));
      await play(events, log, say, signal);
      while (!signal.aborted && !isAllStored(log)) await pause(LOOK_EVERY_MS, signal);
      watching.abort();
      await watched;
      report = await store.report(CLUSTER);
    };
    try {
      await runStages(io.signal, [
        { run: playing },
        correlating(surroundings, log),
        storing(surroundings, log),
      ]);
    } finally {
      await log.close();
    }
    io.signal.throwIfAborted();
    return report as unknown as Report;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What collectors would have said: facts of the hosts first, then what happened, then how far they saw. */
async function eventsOf(capture: string): Promise<Event[]> {
  const events: Event[] = [];
  await replay(await sourcesOfCapture(capture), {
    cluster: CLUSTER,
    onEvents: async (some) => void events.push(...some),
  });
  const rank = ({ stream }: Event) => (stream === 'host-facts' ? 0 : stream === 'collector' ? 2 : 1);
  return events.sort((a, b) => rank(a) - rank(b) || a.at - b.at);
}

/** Null when it was aborted before the store was there. */
async function reachStore(path: string, signal: AbortSignal): Promise<StoreReader | null> {
  for (;;) {
    const store = await connectStore(path);
    if (store !== null || signal.aborted) return store;
    await pause(LOOK_EVERY_MS, signal);
  }
}

async function play(
  events: readonly Event[],
  log: EventLog,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const [first] = events.filter(({ stream }) => stream !== 'host-facts' && stream !== 'collector');
  const began_ms = performance.now();
  let last: string | null = null;
  for (const event of events) {
    const isPaced = event.stream !== 'host-facts' && event.stream !== 'collector';
    const due_ms = isPaced ? (event.at - (first?.at ?? 0)) / 1000 / TIMES_FASTER : 0;
    await pause(Math.max(0, began_ms + due_ms - performance.now()), signal);
    if (signal.aborted) return;
    const records = [{ key: CLUSTER, value: encodeEvent(event), id: event.id }];
    await log.append({ records, checkpoints: new Map() });
    const text = sentence(event);
    if (text !== null && text !== last) say(`${clockTime(event.at)}  ${event.host.padEnd(6)} ${text}`);
    last = text ?? last;
  }
}

/** The few that tell the story: what repeats itself and a guest's private /dev do not. */
function sentence(event: Event): string | null {
  switch (event.kind) {
    case 'LifecycleChanged':
      return printable(`${event.body.guest.name}: ${event.body.event} ${event.body.detail}`, 80);
    case 'RelabelObserved': {
      const { asked_uid, asked_gid, path, call, comm } = event.body;
      if (path === null || path.startsWith('/dev/') || (asked_uid === null && asked_gid === null))
        return null;
      return printable(`${comm} ${call} ${path} to ${asked_uid}:${asked_gid}`, 90);
    }
    case 'GuestIoError':
      return printable(`${event.body.guest.name}: I/O error`, 80);
    default:
      return null;
  }
}

/** Says each finding when it appears, and when it becomes another thing to act on. */
async function watch(store: StoreReader, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const seen = new Map<string, string>();
  for (;;) {
    const isLast = signal.aborted;
    for (const finding of await store.findings({ cluster: CLUSTER })) {
      const word = finding.state === 'retracted' ? 'WITHDRAWN' : WORDS[finding.verdict];
      if (seen.get(finding.id) === word) continue;
      if (word === 'WITHDRAWN' && !seen.has(finding.id)) continue;
      seen.set(finding.id, word);
      say(`  >>> ${word}  ${finding.id}`);
      say(`      ${printable(finding.summary, 200)}`);
    }
    if (isLast) return;
    await pause(LOOK_EVERY_MS, signal);
  }
}

const WORDS = { violation: 'VIOLATION', undetermined: 'SUSPECTED', clean: 'WARNING' } as const;

function isAllStored(log: EventLog): boolean {
  return (
    isCaughtUp(log, CORRELATE_GROUP, ['events']) &&
    isCaughtUp(log, STORE_GROUP, ['events', 'timeline', 'findings'])
  );
}
