import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { padEnd, width, wrap } from '../../../src/commands/text/columns.js';
import { printable } from '../../../src/domain/byte-text.js';

describe('width', () => {
  it.each([
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['漢字', 4],
    ['🙂', 2],
    ['', 0],
  ])('of %j is %d', (text, columns) => {
    expect(width(text)).toBe(columns);
  });
});

describe('padEnd', () => {
  it('fills up to columns, not characters', () => {
    expect(padEnd('漢', 4)).toBe('漢  ');
    expect(padEnd('long', 2)).toBe('long');
  });
});

describe('wrap', () => {
  it('breaks between words', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three']);
  });

  it('breaks long paths behind a slash', () => {
    expect(wrap('/var/lib/libvirt/images/nfs/vm1.qcow2', 24)).toEqual([
      '/var/lib/libvirt/images/',
      'nfs/vm1.qcow2',
    ]);
  });

  it('never exceeds the columns and never loses a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        fc.integer({ min: 2, max: 40 }),
        (raw, columns) => {
          const text = printable(raw);
          const lines = wrap(text, columns);
          expect(Math.max(...lines.map(width))).toBeLessThanOrEqual(columns);
          expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
        },
      ),
    );
  });
});
