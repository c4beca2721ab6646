import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MigrationAuditError } from '../../../src/domain/errors.js';
import { crc32c } from '../../../src/eventlog/crc32c.js';
import { readFetchResponse } from '../../../src/eventlog/kafka/fetch-response.js';
import { readRecordBatches } from '../../../src/eventlog/kafka/record-batch.js';

/** kafkajs writes the batches: what it writes, brokers take. */
const require = createRequire(import.meta.url);
const Encoder = require('kafkajs/src/protocol/encoder');
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0');
const RecordEncoder = require('kafkajs/src/protocol/recordBatch/record/v0');

const PLACE = { topic: 'events', partition: 3, from: 0 } as const;

async function batchOf(values: readonly (Buffer | null)[], compression = 0): Promise<Buffer> {
  const records = values.map((value, offsetDelta) =>
    RecordEncoder({ offsetDelta, timestampDelta: offsetDelta, key: `k${offsetDelta}`, value }),
  );
  const batch = await RecordBatch({
    compression,
    firstTimestamp: 1_700_000_000_000,
    maxTimestamp: 1_700_000_000_000,
    lastOffsetDelta: values.length - 1,
    records,
  });
  return (new Encoder().writeEncoder(batch) as { buffer: Buffer }).buffer;
}

const read = (bytes: Buffer, from = 0) => readRecordBatches(bytes, { ...PLACE, from }, []);

describe('a record batch', () => {
  it.each([0, 1])('gives what kafkajs wrote, compression %i', async (compression) => {
    const values = [Buffer.from('a'), Buffer.alloc(300, 7), Buffer.alloc(0), null];
    const { records, next } = read(await batchOf(values, compression));
    expect(next).toBe(4);
    expect(records.map(({ key, value, offset }) => [key, value.toString('hex'), offset])).toEqual(
      values.map((value, n) => [`k${n}`, (value ?? Buffer.alloc(0)).toString('hex'), n]),
    );
    expect(records[1]).toMatchObject({ topic: 'events', partition: 3, appended_us: 1_700_000_000_001_000 });
  });

  it('of more records than a call can have arguments is read', async () => {
    const values = Array.from({ length: 200_000 }, () => Buffer.from('x'));
    expect(read(await batchOf(values)).records.length).toBe(values.length);
  });

  it('gives only what was asked for', async () => {
    const values = ['a', 'b', 'c'].map((each) => Buffer.from(each));
    expect(read(await batchOf(values), 2).records.map(({ value }) => value.toString())).toEqual(['c']);
  });

  it('that nobody can read comes as one record, once, with all its bytes', async () => {
    const whole = await batchOf([Buffer.from('a'), Buffer.from('b')]);
    const snappy = withChecksum(whole, (bytes) => bytes.writeInt16BE(2, 21));
    const notGzip = withChecksum(whole, (bytes) => bytes.writeInt16BE(1, 21));
    const cut = withChecksum(whole, (bytes) => bytes.writeInt32BE(3, 57));
    for (const batch of [snappy, notGzip, cut]) {
      const both = Buffer.concat([batch, at(2, whole)]);
      expect(read(both)).toMatchObject({
        next: 4,
        records: [{ offset: 0, key: '', value: batch }, { offset: 2 }, { offset: 3 }],
      });
      expect(read(both, 1).records.map(({ offset }) => offset)).toEqual([2, 3]);
    }
  });

  it('that was cut off is left for the next answer', async () => {
    const whole = await batchOf([Buffer.from('a')]);
    const both = Buffer.concat([whole, whole.subarray(0, whole.length - 1)]);
    expect(read(both)).toMatchObject({ next: 1, records: [{ offset: 0 }] });
  });

  it('with any byte changed is not taken for another one', async () => {
    const whole = await batchOf([Buffer.from('some value'), Buffer.from('another one')], 1);
    const right = read(whole);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] as number) ^ flip;
        // offset, length and epoch of a batch are the broker's, and not under the checksum
        if (at < 17 && at !== 16) return readsOrRefuses(changed);
        expect(() => read(changed)).toThrow(MigrationAuditError);
      }),
    );
    expect(right.records.length).toBe(2);
  });

  it('made of any bytes is refused or left, and nothing else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => readsOrRefuses(Buffer.from(bytes))));
  });
});

describe('an answer to a fetch', () => {
  it('holds no topic where a quota has the client wait, which is no damage', () => {
    const throttled = Buffer.alloc(14);
    throttled.writeInt32BE(500, 0);
    expect(readFetchResponse(throttled)).toEqual({
      error_code: 0,
      aborted: [],
      record_batches: Buffer.alloc(0),
    });
  });

  it('made of any bytes is read or refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          readFetchResponse(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(MigrationAuditError);
        }
      }),
    );
  });
});

/** The checksum covers what follows it. */
function withChecksum(batch: Buffer, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(batch);
  change(bytes);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

function at(offset: number, batch: Buffer): Buffer {
  const bytes = Buffer.from(batch);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  return bytes;
}

function readsOrRefuses(bytes: Buffer): void {
  try {
    read(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(MigrationAuditError);
  }
}
