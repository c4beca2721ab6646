import { pino } from 'pino';
import { type LocalLogOptions, openLocalLog } from '../../src/eventlog/local/local-log.js';
import type { EventLog } from '../../src/eventlog/port.js';
import { encodeEvent } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import type { Store } from '../../src/store/store.js';
import { correlateRole } from '../../src/stream/correlate-role.js';
import { storeRole } from '../../src/stream/store-role.js';
import { STORE_GROUP, type StoreOptions } from '../../src/stream/store-writer.js';
import { Health } from '../../src/telemetry/health.js';
import { createMetrics } from '../../src/telemetry/metrics.js';

/** The roles of one process over a local log. */

export function openLog(directory: string, options: Partial<LocalLogOptions> = {}): EventLog {
  return openLocalLog({ bytes_max: 1 << 28, retain_us: 1e15, ...options, directory });
}

export async function append(log: EventLog, values: readonly (Event | Buffer)[]): Promise<void> {
  const records = values.map((value) => ({
    key: 'lab',
    value: Buffer.isBuffer(value) ? value : encodeEvent(value),
    id: null,
  }));
  await log.append({ records, checkpoints: new Map() });
}

export function telemetry() {
  return {
    metrics: createMetrics({ version: 'test', parts: ['correlate', 'store', 'event log'] }),
    health: new Health(Date.now),
    logger: pino({ level: 'silent' }),
  };
}

const CORRELATE = { correlator: {}, batch_events_max: 100, keep_settled_us: 1e15, state_bytes_max: 2 ** 40 };

/** Correlates and stores all that is in the log, and ends. */
export async function storeAll(
  log: EventLog,
  open: () => Promise<Store>,
  options: Partial<StoreOptions> = {},
  around = telemetry(),
): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const roles = [
    correlateRole({ log, options: CORRELATE, ...around, signal }),
    storeRole({ log, open, options: { write_every_ms: 0, ...options }, ...around, signal }),
  ];
  const isDone = () =>
    log.lag('correlate', 'events').records === 0 &&
    (['events', 'timeline', 'findings'] as const).every((topic) => log.lag(STORE_GROUP, topic).records === 0);
  const watching = setInterval(() => {
    if (isDone()) stop.abort();
  }, 5);
  try {
    await Promise.all(roles);
  } finally {
    clearInterval(watching);
    stop.abort();
  }
}
