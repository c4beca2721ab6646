import type { Logger } from 'pino';
import { BackOff } from '../domain/back-off.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { PartitionHandler, ProcessOptions, ProcessorLog } from '../eventlog/port.js';
import type { ConditionSetter } from '../telemetry/health.js';
import { pause } from '../waiting/pause.js';
import { reasonOf } from './reason.js';

export interface Processing extends Omit<ProcessOptions, 'handler'> {
  log: ProcessorLog;
  /** for every attempt a new one, which knows nothing; `begun` is called when a partition can be read */
  handler: (begun: () => void) => PartitionHandler;
  condition: ConditionSetter;
  logger: Logger;
}

const RETRY = { first_ms: 200, most_ms: 30_000 };

/** What ends without anything being done to this process. */
const PASSING: ReadonlySet<string> = new Set(['MA_LOG_FULL', 'MA_LOG_WRITE']);

/**
 * Reads a topic until aborted. While the log cannot be written it is not ready, and tries again.
 *
 * @throws what the handler throws, and MigrationAuditError when the log cannot be read
 */
export async function processUntilAborted(processing: Processing): Promise<void> {
  const { log, handler, condition, logger, ...options } = processing;
  const { signal, group, topic } = options;
  const backOff = new BackOff({ ...RETRY, seed: `${group} ${topic} ${process.pid}` });
  const begun = () => {
    condition.ready();
    backOff.reset();
  };
  while (!signal.aborted) {
    try {
      await log.process({ ...options, handler: handler(begun) });
      return; // aborted, or the log was closed
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof MigrationAuditError && PASSING.has(error.code))) throw error;
      logger.error({ err: error, group, topic }, 'the event log refused a batch; trying again');
      condition.notReady(reasonOf(error));
      await pause(backOff.next(), signal);
    }
  }
}
