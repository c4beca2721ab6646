import { MigrationAuditError } from '../domain/errors.js';
import { safeJson } from '../domain/safe-json.js';
import type { LogRecord, Output, Topic } from './port.js';
import { TOPICS } from './port.js';

/**
 * Records that could not be used, kept with the reason and where they were, so that nothing is lost and nothing waits
 * behind them. A dead letter is one line of JSON, a newline, and the bytes of the record as they were.
 */

export const DEAD_LETTER_REASONS = {
  'bad-event': 'its bytes are no event',
  'unknown-schema': 'it has a schema that this version does not know',
  'over-limit': 'it is over a limit of this program',
  'too-large': 'it is larger than the Kafka brokers take',
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
  from: Origin;
  key: string;
  value: Buffer;
}

const VERSION = 1;
const NEWLINE = 0x0a;
const DETAIL_CHARACTERS_MAX = 1_000;
/** a header is far smaller; more is no dead letter of ours, and not worth a search */
const HEADER_BYTES_MAX = 64 * 1024;

/** The output that a handler returns for a record that it cannot use, beside what it makes of the others. */
export function deadLetter(reason: DeadLetterReason, record: LogRecord, detail: string): Output {
  const { topic, partition, offset, appended_us, key, value } = record;
  const from: Origin = { topic, partition, offset, appended_us };
  const header = { version: VERSION, reason, detail: detail.slice(0, DETAIL_CHARACTERS_MAX), from, key };
  const bytes = Buffer.concat([Buffer.from(`${safeJson(header)}\n`), value]);
  return {
    topic: 'dead-letters',
    record: { key, value: bytes, id: `dead-letter ${topic}/${partition}/${offset}` },
  };
}

/** @throws MA_BAD_EVENT when the record is no dead letter, as when others write to the topic */
export function readDeadLetter({ partition, offset, value }: LogRecord): DeadLetter {
  const end = value.subarray(0, HEADER_BYTES_MAX).indexOf(NEWLINE);
  const header = headerOf(value.subarray(0, Math.max(0, end)));
  if (header === null)
    throw new MigrationAuditError('MA_BAD_EVENT', `${partition}:${offset}`, 'it is no dead letter');
  return { ...header, value: value.subarray(end + 1) };
}

function headerOf(line: Buffer): Omit<DeadLetter, 'value'> | null {
  try {
    const { version, reason, detail, from, key } = JSON.parse(line.toString('utf8'));
    const { topic, partition, offset, appended_us } = from;
    const isOurs =
      version === VERSION &&
      Object.hasOwn(DEAD_LETTER_REASONS, reason) &&
      TOPICS.includes(topic) &&
      typeof detail === 'string' &&
      typeof key === 'string' &&
      [partition, offset, appended_us].every((number) => Number.isFinite(number));
    return isOurs ? { reason, detail, from: { topic, partition, offset, appended_us }, key } : null;
  } catch {
    return null;
  }
}
