import { describe, expect, it } from 'vitest';
import { isTimeUs, LATEST_TIME_US, rfc3339 } from '../../src/domain/time.js';

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

describe('rfc3339', () => {
  it.each([
    [0, '1970-01-01T00:00:00.000000Z'],
    [1795396308_144001, '2026-11-23T01:11:48.144001Z'],
    [-1, '1969-12-31T23:59:59.999999Z'],
  ])('of %d is %s', (at_us, text) => {
    expect(rfc3339(at_us)).toBe(text);
  });
});
