import { type ErrorCode, MigrationAuditError } from '../domain/errors.js';
import { decodeDeadLetter, encodeDeadLetter } from '../events/codec.js';
import type { LogRecord, Output, Topic } from './port.js';
import { TOPICS } from './port.js';

/**
 * Records that could not be used, kept with the reason and where they were, so that nothing is lost and nothing waits
 * behind them (schemas/DeadLetter.avsc).
 */

export const DEAD_LETTER_REASONS = {
  'bad-event': 'its bytes are no event',
  'unknown-schema': 'it has a schema that this version does not know',
  'over-limit': 'it is over a limit of this program',
  'too-large': 'it is larger than the Kafka brokers take',
  'refused-by-store': 'the store does not take its row',
} as const;
export type DeadLetterReason = keyof typeof DEAD_LETTER_REASONS;

/** Where a record was. */
export interface Origin {
  topic: Topic;
  partition: number;
  offset: number;
  /** when the log took it in, µs since the epoch on the log's clock */
  appended_us: number;
}

export interface DeadLetter {
  reason: DeadLetterReason;
  /** what was wrong, in words */
  detail: string;
  /** the group that could not use it */
  group: string;
  from: Origin;
  key: string;
  value: Buffer;
}

const DETAIL_CHARACTERS_MAX = 1_000;

/** The output that a handler returns for a record that it cannot use, beside what it makes of the others. */
export function deadLetter(
  group: string,
  reason: DeadLetterReason,
  record: LogRecord,
  detail: string,
): Output {
  const { topic, partition, offset, appended_us, key, value } = record;
  const text = detail.slice(0, DETAIL_CHARACTERS_MAX);
  return {
    topic: 'dead-letters',
    record: {
      key,
      value: encodeDeadLetter({ reason, text, group, topic, partition, offset, appended_us, key, value }),
      id: `dead-letter ${group} ${topic}/${partition}/${offset}`,
    },
  };
}

const REASON_OF: Partial<Record<ErrorCode, DeadLetterReason>> = {
  MA_BAD_EVENT: 'bad-event',
  MA_BAD_RECORD: 'bad-event',
  MA_UNKNOWN_SCHEMA: 'unknown-schema',
};

/** Why a record that failed so is of no use; null when the error is not about the record. */
export function reasonOf(error: unknown): DeadLetterReason | null {
  return error instanceof MigrationAuditError ? (REASON_OF[error.code] ?? null) : null;
}

/** @throws MA_BAD_RECORD, MA_UNKNOWN_SCHEMA when the record is no dead letter, as when others write to the topic */
export function readDeadLetter(record: LogRecord): DeadLetter {
  const { reason, text, group, topic, partition, offset, appended_us, key, value } = decodeDeadLetter(
    record.value,
  );
  if (!isReason(reason) || !isTopic(topic))
    throw new MigrationAuditError('MA_BAD_RECORD', `${record.partition}:${record.offset}`, 'no dead letter');
  return { reason, detail: text, group, from: { topic, partition, offset, appended_us }, key, value };
}

function isReason(reason: string): reason is DeadLetterReason {
  return Object.hasOwn(DEAD_LETTER_REASONS, reason);
}

function isTopic(topic: string): topic is Topic {
  return (TOPICS as readonly string[]).includes(topic);
}
