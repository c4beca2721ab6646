import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteTextFrom } from '../../src/domain/byte-text.js';
import { escapeText, unescapeText } from '../../src/store/text.js';
import { SEEDS } from '../events/seeds.js';

describe('text in columns', () => {
  it.each([
    ['plain', '/srv/images/vm1.qcow2', '/srv/images/vm1.qcow2'],
    ['letters of every language, and what is drawn', 'größe 図 😀', 'größe 図 😀'],
    ['backslashes', 'a\\x00', 'a\\\\x00'],
    ['controls', 'a\u0000\n\u001b[31m\u007f', 'a\\x00\\x0a\\x1b[31m\\x7f'],
    ['controls beyond ASCII are not mistaken for bytes', '\u0085', '\\u{85}'],
    ['bytes that are not UTF-8', byteTextFrom(Buffer.from([0x61, 0xff, 0x85])), 'a\\xff\\x85'],
    ['marks that turn the direction', 'a\u202eb', 'a\\u{202e}b'],
    ['invisible tags', '\u{e0041}', '\\u{e0041}'],
    ['half a character', '\ud83d', '\\u{d83d}'],
  ])('%s', (_, text, escaped) => {
    expect(escapeText(text)).toBe(escaped);
    expect(unescapeText(escaped)).toBe(text);
  });

  it.each(SEEDS)('comes back as it was, and is well-formed and visible (seed %i)', (seed) => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('\\', 'x', 'u', '{', '}', '0', 'f', '\udcff', '\u0000') }),
      fc.uint8Array().map((bytes) => byteTextFrom(bytes)),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const escaped = escapeText(text);
        expect(unescapeText(escaped)).toBe(text);
        expect(escaped).not.toMatch(/[\p{Cc}\p{Cs}]/u);
      }),
      { seed, numRuns: 300 },
    );
  });
});
