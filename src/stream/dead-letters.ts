import type { MigrationAuditError } from '../domain/errors.js';
import type { LogRecord, Output } from '../eventlog/port.js';
import { encodeDeadLetter } from '../events/codec.js';

/** The record that a group could not use, with the reason, for the topic `dead-letters`. */
export function deadLetter(group: string, record: LogRecord, error: MigrationAuditError): Output {
  const { topic, partition, offset, appended_us, key, value } = record;
  const letter = { reason: error.code, text: error.message, group, topic, partition, offset, appended_us };
  return {
    topic: 'dead-letters',
    record: { key, value: encodeDeadLetter({ ...letter, key, value }), id: null },
  };
}
