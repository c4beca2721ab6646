import type { Logger } from 'pino';
import type { ProcessorLog } from '../eventlog/port.js';
import type { Health } from '../telemetry/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import type { ClusterOptions } from './cluster.js';
import { processUntilAborted } from './process.js';
import { CORRELATE_GROUP, Processor } from './processor.js';

export interface CorrelateOptions extends Omit<ClusterOptions, 'waiting_bytes_max'> {
  /** events that are judged and committed together */
  batch_events_max: number;
  waiting_bytes_max?: number;
}

export interface CorrelateRole {
  log: ProcessorLog;
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

/**
 * Reads the events and publishes what they say, until aborted.
 *
 * @throws MigrationAuditError when the log is damaged, or holds what only a newer version can read
 */
export async function correlateRole(role: CorrelateRole): Promise<void> {
  const { log, options, metrics, health, logger, signal } = role;
  const { batch_events_max, ...rest } = options;
  await processUntilAborted({
    log,
    group: CORRELATE_GROUP,
    topic: 'events',
    outputs: ['timeline', 'findings', 'state', 'dead-letters'],
    signal,
    batch_records_max: batch_events_max,
    batch_bytes_max: BATCH_BYTES_MAX,
    idle_ms: null,
    condition: health.condition('correlate', 'is reading what it knew'),
    logger,
    handler: (begun) =>
      new Processor({ waiting_bytes_max: WAITING_BYTES_MAX, ...rest, metrics, logger, onBegun: begun }),
  });
}
