import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEAD_LETTER_REASONS,
  type DeadLetterReason,
  deadLetter,
  readDeadLetter,
} from '../../src/eventlog/dead-letter.js';
import type { LogRecord } from '../../src/eventlog/port.js';
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
          const { topic, record: written } = deadLetter(reason, record, detail);
          expect(topic).toBe('dead-letters');
          expect(written.key).toBe(key);
          expect(readDeadLetter(stored(written.value))).toEqual({
            reason,
            detail,
            key,
            value: Buffer.from(bytes),
            from: { topic: 'events', partition: 2, offset, appended_us: 5 },
          });
        },
      ),
    );
  });

  it('is a line of JSON before its bytes that no terminal obeys', () => {
    const { record } = deadLetter('bad-event', stored(Buffer.from('\x1b[2J')), '\x1b[31m\u202e\n');
    const line = record.value.subarray(0, record.value.indexOf('\n')).toString();
    expect(line).toMatch(/^[ -~]+$/);
    expect(JSON.parse(line).detail).toBe('\x1b[31m\u202e\n');
  });

  it('is bounded in what it says', () => {
    const { record } = deadLetter('bad-event', stored(Buffer.alloc(0)), 'x'.repeat(100_000));
    expect(record.value.length).toBeLessThan(2_000);
  });

  it.each([
    '',
    '\n',
    '{}\n',
    'null\n',
    '{"version":2}\n',
    '{"version":1,"reason":"toString","detail":"","key":"","from":{"topic":"events","partition":0,"offset":0,"appended_us":0}}\n',
    '{"version":1,"reason":"bad-event","detail":"","key":"","from":{"topic":"other","partition":0,"offset":0,"appended_us":0}}\n',
    '{"version":1,"reason":"bad-event","detail":"","key":"","from":{"topic":"events","partition":"0","offset":0,"appended_us":0}}\n',
    `${'x'.repeat(1 << 17)}\n`,
  ])('is told from what others write to the topic: %#', (text) => {
    expect(() => readDeadLetter(stored(Buffer.from(text)))).toThrow(
      expect.objectContaining({ code: 'MA_BAD_EVENT', where: '2:17' }),
    );
  });

  it('is counted by each of its reasons', () => {
    expect(METRICS.dead_letters_total.labels.reason).toEqual(reasons);
  });
});
