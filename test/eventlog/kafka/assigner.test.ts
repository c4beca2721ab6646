import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareOut } from '../../../src/eventlog/kafka/assigner.js';

const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);

describe('the partitions of a group', () => {
  it('go to one member each, evenly, whatever members say they have', () => {
    const wishes = fc.array(fc.array(fc.integer({ min: -1, max: 40 })), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(wishes, fc.integer({ min: 0, max: 30 }), (all, count) => {
        const partitions = Array.from({ length: count }, (_, n) => n);
        const shares = shareOut(partitions, new Map(all.map((wish, n) => [`member ${n}`, wish])));
        expect(sorted([...shares.values()].flat())).toEqual(partitions);
        const sizes = [...shares.values()].map(({ length }) => length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('move no more than they must when a member comes', () => {
    const before = new Map([
      ['a', [0, 2, 4]],
      ['b', [1, 3, 5]],
    ]);
    const after = shareOut([0, 1, 2, 3, 4, 5], new Map([...before, ['c', []]]));
    expect(after.get('a')).toEqual([0, 2]);
    expect(after.get('b')).toEqual([1, 3]);
    expect(sorted(after.get('c') ?? [])).toEqual([4, 5]);
  });

  it('stay where they are when another member goes', () => {
    const after = shareOut([0, 1, 2, 3], new Map([['a', [0, 1]]]));
    expect(after.get('a')).toEqual([0, 1, 2, 3]);
  });
});
