import { describe, expect, it } from 'vitest';
import { isTimeUs, LATEST_TIME_US } from '../../src/domain/time.js';

describe('isTimeUs', () => {
  it.each([0, 1_795_396_298_074_566, LATEST_TIME_US])('takes %d', (at) => {
    expect(isTimeUs(at)).toBe(true);
  });

  it.each([-1, 0.5, LATEST_TIME_US + 1, 2 ** 60, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses %d',
    (at) => {
      expect(isTimeUs(at)).toBe(false);
    },
  );

  it('leaves room for some seconds more in what an event can hold', () => {
    expect(LATEST_TIME_US + 60_000_000).toBeLessThan(2 ** 52);
  });
});
