import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEAD_LETTER_REASONS,
  type DeadLetterReason,
  deadLetter,
  readDeadLetter,
} from '../../src/eventlog/dead-letter.js';
import type { LogRecord } from '../../src/eventlog/port.js';
import { encodeDeadLetter } from '../../src/events/codec.js';
import { METRICS } from '../../src/telemetry/metric-table.js';

const reasons = Object.keys(DEAD_LETTER_REASONS) as DeadLetterReason[];

function stored(value: Buffer): LogRecord {
  return { topic: 'dead-letters', partition: 2, offset: 17, key: 'k', value, appended_us: 5 };
}

describe('a dead letter', () => {
  it('keeps any bytes, key and words, and where they were', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...reasons),
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        fc.nat(),
        (reason, bytes, key, detail, offset) => {
          const record = { ...stored(Buffer.from(bytes)), topic: 'events' as const, key, offset };
          const { topic, record: written } = deadLetter('correlate', reason, record, detail);
          expect(topic).toBe('dead-letters');
          expect(written.key).toBe(key);
          expect(readDeadLetter(stored(written.value))).toEqual({
            reason,
            detail,
            group: 'correlate',
            key,
            value: Buffer.from(bytes),
            from: { topic: 'events', partition: 2, offset, appended_us: 5 },
          });
        },
      ),
    );
  });

  it('is bounded in what it says', () => {
    const { record } = deadLetter('correlate', 'bad-event', stored(Buffer.alloc(0)), 'x'.repeat(100_000));
    expect(record.value.length).toBeLessThan(2_000);
  });

  const letter = (more: object) =>
    encodeDeadLetter({
      ...{ reason: 'bad-event', text: '', group: 'correlate', topic: 'events', partition: 0, offset: 0 },
      ...{ appended_us: 0, key: '', value: Buffer.alloc(0), ...more },
    });

  it.each([
    Buffer.alloc(0),
    Buffer.from('{}\n'),
    Buffer.alloc(1 << 17, 'x'),
    letter({ reason: 'toString' }),
    letter({ topic: 'other' }),
    letter({}).subarray(0, -1),
  ])('is told from what others write to the topic: %#', (bytes) => {
    expect(() => readDeadLetter(stored(bytes))).toThrow(expect.objectContaining({ code: 'MA_BAD_RECORD' }));
  });

  it('is counted by each of its reasons', () => {
    expect(METRICS.dead_letters_total.labels.reason).toEqual(reasons);
  });
});
