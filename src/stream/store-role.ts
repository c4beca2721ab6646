import type { Logger } from 'pino';
import { BackOff } from '../domain/back-off.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { ProcessorLog, Topic } from '../eventlog/port.js';
import type { Store } from '../store/store.js';
import type { ConditionSetter, Health } from '../telemetry/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import { pause } from '../waiting/pause.js';
import { processUntilAborted } from './process.js';
import { reasonOf } from './reason.js';
import { STORE_GROUP, type StoreOptions, StoreWriter } from './store-writer.js';

export interface StoreRole {
  log: ProcessorLog;
  /** opens the store; is called again while that fails. Whoever opened it closes it, after this role has ended. */
  open: () => Promise<Store>;
  options?: Partial<StoreOptions>;
  metrics: Metrics;
  health: Health;
  logger: Logger;
  signal: AbortSignal;
}

const DEFAULTS = { batch_records_max: 8_000, batch_bytes_max: 16 << 20 };

const STORED_TOPICS = ['events', 'timeline', 'findings'] as const satisfies Topic[];

/** Somebody is woken by a finding, and then looks at the timeline; nobody waits for what both were made of. */
const WRITE_EVERY_MS = { events: 1000, timeline: 500, findings: 100 } as const;

const RETRY = { first_ms: 200, most_ms: 30_000 };

/**
 * Writes events and conclusions into the store, until aborted. A batch can be written again, after a kill or when its
 * answer was lost, without any effect: rows have ids, and of two the higher version holds.
 *
 * @throws MigrationAuditError MA_NO_STORE; or when the log cannot be read
 */
export async function storeRole(role: StoreRole): Promise<void> {
  const { log, metrics, health, logger } = role;
  const ended = new AbortController();
  const signal = AbortSignal.any([role.signal, ended.signal]);
  const conditions = STORED_TOPICS.map((topic) => health.condition(`store-${topic}`, 'is opening the store'));
  const store = await opened(role, conditions);
  if (store === null) return;
  const topics = STORED_TOPICS.map(async (topic, index) => {
    const condition = conditions[index] as ConditionSetter;
    const options = { ...DEFAULTS, write_every_ms: WRITE_EVERY_MS[topic], ...role.options };
    const writing = { store, topic, options, metrics, condition, logger, signal };
    try {
      await processUntilAborted({
        log,
        group: STORE_GROUP,
        topic,
        signal,
        batch_records_max: options.batch_records_max,
        batch_bytes_max: options.batch_bytes_max,
        idle_ms: null,
        outputs: ['dead-letters'],
        condition,
        logger,
        handler: (begun) => new StoreWriter({ ...writing, begun }),
      });
    } finally {
      ended.abort(); // one topic alone would leave half of the truth
    }
  });
  const failed = (await Promise.allSettled(topics)).find((topic) => topic.status === 'rejected');
  if (failed !== undefined && !role.signal.aborted) throw failed.reason;
}

/** Null when aborted before there was a store. */
async function opened(
  { open, logger, metrics, signal }: StoreRole,
  conditions: readonly ConditionSetter[],
): Promise<Store | null> {
  const backOff = new BackOff({ ...RETRY, seed: `store ${process.pid}` });
  while (!signal.aborted) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof MigrationAuditError && error.code === 'MA_STORE')) throw error;
      logger.error({ err: error }, 'the store cannot be opened; trying again');
      metrics.of.store_errors_total.inc();
      for (const condition of conditions) condition.notReady(reasonOf(error));
      await pause(backOff.next(), signal);
    }
  }
  return null;
}
