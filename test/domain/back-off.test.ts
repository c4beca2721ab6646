import { describe, expect, it } from 'vitest';
import { BackOff } from '../../src/domain/back-off.js';

describe('BackOff', () => {
  const waits = (seed: string) => {
    const backOff = new BackOff({ first_ms: 1000, most_ms: 60_000, seed });
    return Array.from({ length: 12 }, () => backOff.next());
  };

  it('waits twice as long each time, up to a limit, less some chance', () => {
    for (const [attempt, wait_ms] of waits('hosta').entries()) {
      const full_ms = Math.min(60_000, 1000 * 2 ** attempt);
      expect(wait_ms).toBeGreaterThanOrEqual(full_ms / 2);
      expect(wait_ms).toBeLessThanOrEqual(full_ms);
    }
  });

  it('waits the same for the same seed, and otherwise for another', () => {
    expect(waits('hosta')).toEqual(waits('hosta'));
    expect(waits('hosta')).not.toEqual(waits('hostb'));
  });

  it('begins anew after it worked', () => {
    const backOff = new BackOff({ first_ms: 1000, most_ms: 60_000, seed: 'hosta' });
    for (let i = 0; i < 9; i++) backOff.next();
    backOff.reset();
    expect(backOff.next()).toBeLessThanOrEqual(1000);
  });
});
