import { describe, expect, it } from 'vitest';
import { getOrMake, groupBy } from '../../src/domain/group.js';

describe('getOrMake', () => {
  it('makes a value once and gives the same one from then on', () => {
    const lists = new Map<string, number[]>();
    getOrMake(lists, 'a', () => []).push(1);
    getOrMake(lists, 'a', () => [99]).push(2);
    expect([...lists]).toEqual([['a', [1, 2]]]);
  });

  it('takes a false value for one', () => {
    const counts = new Map([['a', 0]]);
    expect(getOrMake(counts, 'a', () => 7)).toBe(0);
  });
});

describe('groupBy', () => {
  it('keeps keys and items in the order in which they came', () => {
    const groups = groupBy([31, 12, 11, 22, 32], (number) => number % 10);
    expect([...groups]).toEqual([
      [1, [31, 11]],
      [2, [12, 22, 32]],
    ]);
  });

  it('has no groups for nothing', () => {
    expect(groupBy([], () => 'a').size).toBe(0);
  });
});
