import avsc from 'avsc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, byteTextFrom } from '../../src/domain/byte-text.js';
import { typeFrom } from '../../src/events/released-schemas.js';
import { SEEDS } from './seeds.js';

/** Avro's own types, which know nothing of our short cut for ASCII. */
const BYTES = avsc.Type.forSchema('bytes');
const STRING = avsc.Type.forSchema('string');

const BYTE_TEXT = typeFrom({ type: 'bytes', logicalType: 'byte-text' });
const TEXT = typeFrom({ type: 'record', name: 'Holder', fields: [{ name: 'text', type: 'string' }] });

/** Around every length at which another way of writing begins, and around the lengths that take a byte more. */
const LENGTHS = [0, 1, 62, 63, 64, 65, 127, 128, 255, 256, 257, 8191, 8192, 20_000];

describe.each(LENGTHS)('a text of %i bytes', (length) => {
  const ascii = Buffer.alloc(length, 'a');
  const texts = [ascii, ...[0x00, 0x7f, 0x80, 0xff].map((last) => withLast(ascii, last))];

  it('out of a log is written as its bytes and read as it was', () => {
    for (const bytes of texts) expectAsBytes(bytes);
  });

  it('of our own is written as UTF-8 and read as it was', () => {
    for (const text of [ascii.toString(), `${ascii}ä`, `ä${ascii}`, `${ascii}\u{1f4be}`])
      expectAsString(text);
  });
});

it.each(SEEDS)('any text is written as Avro says (seed %i)', (seed) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      (log, own) => {
        expectAsBytes(Buffer.from(log));
        expectAsString(own);
      },
    ),
    { seed, numRuns: 1000 },
  );
});

it('a text is read after what was read before it, and before what follows', () => {
  const pair = typeFrom({
    type: 'record',
    name: 'Pair',
    fields: [
      { name: 'first', type: { type: 'bytes', logicalType: 'byte-text' } },
      { name: 'second', type: 'string' },
      { name: 'third', type: { type: 'bytes', logicalType: 'byte-text' } },
    ],
  });
  const texts = ['', 'a', 'ä', '\udcff', 'a'.repeat(256), 'a'.repeat(257)];
  for (const first of texts)
    for (const second of texts.filter((text) => text !== '\udcff'))
      for (const third of texts)
        expect({ ...pair.fromBuffer(pair.toBuffer({ first, second, third })) }).toEqual({
          first,
          second,
          third,
        });
});

function withLast(bytes: Buffer, last: number): Buffer {
  return Buffer.concat([bytes.subarray(0, -1), Buffer.from([last])]);
}

function expectAsBytes(bytes: Buffer): void {
  const text = byteTextFrom(bytes);
  const encoded = BYTE_TEXT.toBuffer(text);
  expect(encoded.equals(BYTES.toBuffer(bytes))).toBe(true);
  expect(bytesOf(BYTE_TEXT.fromBuffer(encoded)).equals(bytes)).toBe(true);
}

function expectAsString(text: string): void {
  const encoded = TEXT.toBuffer({ text });
  expect(encoded.equals(STRING.toBuffer(text))).toBe(true);
  expect(TEXT.fromBuffer(encoded).text).toBe(text);
}
