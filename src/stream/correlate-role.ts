import type { Logger } from 'pino';
import { MigrationAuditError } from '../domain/errors.js';
import type { EventLog } from '../eventlog/port.js';
import type { Health } from '../telemetry/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { ClusterOptions } from './cluster.js';
import { CORRELATE_GROUP, Processor } from './processor.js';
import { BackOff, reasonOf } from './retry.js';

export interface CorrelateOptions extends Omit<ClusterOptions, 'waiting_bytes_max'> {
  /** events that are judged and committed together */
  batch_events_max: number;
  waiting_bytes_max?: number;
}

export interface CorrelateRole {
  log: EventLog;
  options: CorrelateOptions;
  metrics: Metrics;
  health: Health;
  logger: Logger;
  signal: AbortSignal;
}

/** What a batch may hold beside its number of events: decoded, it takes several times as much. */
const BATCH_BYTES_MAX = 16 << 20;

/** Some 30,000 relabels. */
const WAITING_BYTES_MAX = 64 << 20;

const RETRY_FIRST_MS = 200;
const RETRY_MOST_MS = 30_000;

/**
 * Reads the events, publishes what they say, until aborted. While the log cannot be written it is not ready, and tries
 * again.
 *
 * @throws MigrationAuditError when the log is damaged, or holds what only a newer version can read
 */
export async function correlateRole(role: CorrelateRole): Promise<void> {
  const { log, options, metrics, logger, signal } = role;
  const condition = role.health.condition('correlate', 'is reading what it knew');
  const backOff = new BackOff(RETRY_FIRST_MS, RETRY_MOST_MS);
  while (!signal.aborted) {
    const handler = new Processor({
      waiting_bytes_max: WAITING_BYTES_MAX,
      ...options,
      metrics,
      logger,
      onBegun: () => {
        condition.ready();
        backOff.reset();
      },
    });
    try {
      await log.process({
        group: CORRELATE_GROUP,
        topic: 'events',
        handler,
        signal,
        batch_records_max: options.batch_events_max,
        batch_bytes_max: BATCH_BYTES_MAX,
        idle_ms: null,
      });
      return; // aborted, or the log was closed
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof MigrationAuditError && PASSING.has(error.code))) throw error;
      logger.error({ err: error }, 'the event log refused a batch; trying again');
      condition.notReady(reasonOf(error));
      await backOff.wait(signal);
    }
  }
}

/** What ends without anything being done to this process. */
const PASSING: ReadonlySet<string> = new Set(['MA_LOG_FULL', 'MA_LOG_WRITE']);
