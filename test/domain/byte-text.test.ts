import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, byteTextFrom, printable } from '../../src/domain/byte-text.js';
import { SEEDS } from '../events/seeds.js';

/** Pieces of UTF-8, whole and broken, so that random input is not all invalid. */
const PIECES = [
  'a',
  'é',
  '€',
  '😀',
  '\ufeff',
  '\u202e',
  '\u0000',
  [0xff],
  [0x80],
  [0xc3],
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x98],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
].map((piece) => Buffer.from(piece as string));
const BYTES = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.uint8Array({ maxLength: 4 })), { maxLength: 30 })
  .map((parts) => Buffer.concat(parts));

describe('byteTextFrom and bytesOf', () => {
  it.each(SEEDS)('give every byte back, whatever the bytes (seed %i)', (seed) => {
    fc.assert(
      fc.property(BYTES, (bytes) => bytesOf(byteTextFrom(bytes)).equals(bytes)),
      { seed, numRuns: 5000 },
    );
  });

  it.each(SEEDS)('decode whatever is UTF-8 as itself, also beside what is none (seed %i)', (seed) => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(byteTextFrom(Buffer.from(text))).toBe(text);
        expect(byteTextFrom(Buffer.concat([Buffer.from(text), Buffer.from([0xff])]))).toBe(`${text}\udcff`);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('give different texts for different bytes', () => {
    const texts = new Set(
      Array.from({ length: 65_536 }, (_, i) => byteTextFrom(Buffer.from([i >> 8, i & 255]))),
    );
    expect(texts.size).toBe(65_536);
  });

  it.each([
    ['overlong forms', [0xc0, 0xaf], '\udcc0\udcaf'],
    ['surrogates', [0xed, 0xa0, 0x80], '\udced\udca0\udc80'],
    ['what lies beyond Unicode', [0xf4, 0x90, 0x80, 0x80], '\udcf4\udc90\udc80\udc80'],
    ['a cut sequence', [0x61, 0xe2, 0x82], 'a\udce2\udc82'],
  ])('keep %s as bytes', (_, bytes, text) => {
    expect(byteTextFrom(Uint8Array.from(bytes))).toBe(text);
  });

  it('keep a byte order mark, which is part of a name like any other character', () => {
    expect(byteTextFrom(Buffer.from('\ufeffa'))).toBe('\ufeffa');
  });

  it('read a part of a larger buffer only', () => {
    const bytes = Buffer.from([0x61, 0xff, 0x62, 0x63]);
    expect(byteTextFrom(bytes.subarray(1, 3))).toBe('\udcffb');
    expect(byteTextFrom(bytes.subarray(2, 4))).toBe('bc');
  });

  it.each([
    ['0xff alone', Buffer.alloc(8 << 20, 0xff)],
    ['0xff in turn with letters', Buffer.alloc(8 << 20, Buffer.from([0xff, 0x61]))],
    ['sequences that lack their end', Buffer.alloc(8 << 20, Buffer.from([0xf0, 0x9f, 0x98]))],
  ])('take 8 MiB of %s in their stride', (_, bytes) => {
    expect(bytesOf(byteTextFrom(bytes)).equals(bytes)).toBe(true);
  });
});

describe('printable', () => {
  it.each([
    ['a terminal sequence', '\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
    ['a C1 control', 'a\u009b31m', 'a\\x9b31m'],
    ['line ends and tabs', 'a\r\n\tb\u0085\u2028', 'a\\x0d\\x0a\\x09b\\x85\\u{2028}'],
    ['NUL and DEL', '\u0000\u007f', '\\x00\\x7f'],
    ['direction marks and isolates', '\u200f\u202e\u2066x\u2069', '\\u{200f}\\u{202e}\\u{2066}x\\u{2069}'],
    ['zero-width characters', 'a\u200b\u200d\u2060\ufeffb', 'a\\u{200b}\\u{200d}\\u{2060}\\u{feff}b'],
    ['letters that show nothing', 'a\u115f\u3164\uffa0\u034fb', 'a\\u{115f}\\u{3164}\\u{ffa0}\\u{34f}b'],
    ['blanks that are no space', 'a\u00a0\u3000b c', 'a\\xa0\\u{3000}b c'],
    ['tags', 'a\u{e0041}', 'a\\u{e0041}'],
    ['format characters beyond the basic plane', '\u{1d173}\u{110bd}', '\\u{1d173}\\u{110bd}'],
    ['private characters', '\ue000\u{f0000}', '\\u{e000}\\u{f0000}'],
    ['bytes that are no UTF-8', 'a\udcff\udc80', 'a\\xff\\x80'],
    ['lone surrogates', '\ud800a', '\\u{d800}a'],
  ])('escapes %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each(['plain', 'größe', '日本語', '😀👍🏽', 'עברית', '$(reboot) "quoted" \\x1b'])(
    'shows %s as it is',
    (text) => {
      expect(printable(text)).toBe(text);
    },
  );

  it('cuts long text in the middle', () => {
    expect(printable('abcdefghij', 7)).toBe('abc…hij');
    expect(printable('abcdefg', 7)).toBe('abcdefg');
  });

  it('never cuts a character in half', () => {
    for (let limit = 1; limit < 40; limit++) {
      const shown = printable(`a${'😀'.repeat(30)}`, limit);
      expect(shown).not.toMatch(/\p{Cs}/u);
      expect(shown.length).toBeLessThanOrEqual(Math.max(1, limit));
    }
  });

  it.each(SEEDS)('is the same when applied twice, and never longer than asked for (seed %i)', (seed) => {
    fc.assert(
      fc.property(BYTES, fc.integer({ min: 1, max: 60 }), (bytes, limit) => {
        const shown = printable(byteTextFrom(bytes), limit);
        expect(shown.length).toBeLessThanOrEqual(limit);
        expect(printable(shown, limit)).toBe(shown);
      }),
      { seed, numRuns: 2000 },
    );
  });
});
