import type { Logger } from 'pino';
import { BackOff } from '../domain/back-off.js';
import type { ConditionSetter } from '../telemetry/health.js';
import type { Instruments } from '../telemetry/metrics.js';
import { pause } from '../waiting/pause.js';
import { deadLetter } from './dead-letter.js';
import type { Appender, LogRecord, Output, ProcessorLog } from './port.js';
import { RecordTooLarge } from './record-too-large.js';

export interface ForwardOptions {
  spool: ProcessorLog;
  to: Appender;
  signal: AbortSignal;
  batch_records_max: number;
  batch_bytes_max: number;
  metrics: Instruments;
  /** holds while the brokers take what they are sent */
  condition: ConditionSetter;
  logger: Logger;
}

export const FORWARD_GROUP = 'forward';

const RETRY = { first_ms: 200, most_ms: 30_000 };

/** Thrown through the spool, which then keeps the position that it has. */
class Stopped extends Error {}

/**
 * Sends the events of a spool on, in their order, until aborted. The spool's position moves when the brokers have
 * acknowledged, and not before: while they are away the spool grows, and nothing is lost. What they will never take
 * goes to the dead letters of the spool, so that the rest need not wait.
 *
 * Memory is one batch, whatever the backlog. What was sent and whose acknowledgement was lost is sent again.
 *
 * @throws errors of the spool
 */
export async function forward(options: ForwardOptions): Promise<void> {
  const { spool, signal, batch_records_max, batch_bytes_max } = options;
  try {
    await spool.process({
      group: FORWARD_GROUP,
      topic: 'events',
      signal,
      batch_records_max,
      batch_bytes_max,
      idle_ms: null,
      outputs: ['dead-letters'],
      handler: {
        async begin() {
          options.condition.ready();
        },
        take: (batch) => send(batch, options),
        async end() {},
      },
    });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
}

/** Tries for as long as it takes. */
async function send(batch: readonly LogRecord[], options: ForwardOptions): Promise<Output[]> {
  const { spool, to, metrics, condition, logger, signal } = options;
  const dead: Output[] = [];
  let left = batch;
  const backOff = new BackOff({ ...RETRY, seed: `forward ${process.pid}` });
  while (left.length > 0) {
    const waiting = (await spool.lag(FORWARD_GROUP, 'events')).records;
    metrics.event_log_lag_events.set({ group: FORWARD_GROUP }, waiting);
    try {
      await to.appendTo(
        'events',
        left.map(({ key, value }) => ({ key, value, id: null })),
      );
      metrics.forward_events_total.inc(left.length);
      metrics.forward_last_success_timestamp_seconds.setToCurrentTime();
      // the spool counts this batch until it is told that it is dealt with
      metrics.event_log_lag_events.set({ group: FORWARD_GROUP }, Math.max(0, waiting - batch.length));
      condition.ready();
      left = [];
    } catch (error) {
      if (error instanceof RecordTooLarge) {
        const record = left[error.index] as LogRecord;
        dead.push(deadLetter(FORWARD_GROUP, 'too-large', record, error.message));
        metrics.forward_events_total.inc(error.index);
        metrics.dead_letters_total.inc({ reason: 'too-large' });
        logger.error({ err: error, offset: record.offset }, 'an event goes to the dead letters of the spool');
        left = left.slice(error.index + 1);
        continue;
      }
      metrics.forward_errors_total.inc();
      condition.notReady(`the brokers do not take events: ${(error as Error).message}`);
      const wait_ms = backOff.next();
      logger.warn({ err: error }, `events wait in the spool; trying again in ${wait_ms} ms`);
      await pause(wait_ms, signal);
      if (signal.aborted) throw new Stopped();
    }
  }
  return dead;
}
