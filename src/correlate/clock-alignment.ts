import { ClockBounds } from './clock-bounds.js';

/**
 * Lays the hosts' clocks beside each other for showing one timeline, never for a verdict: what to add to each
 * host's times. A clock that agrees with what hand-overs say of it is left alone, so that the printed times are the
 * ones in the logs.
 */
export function alignClocks(hostNames: Iterable<string>, all: Iterable<ClockBounds>): Map<string, number> {
  const together = new ClockBounds();
  for (const bounds of all) together.meet(bounds);
  const offsets = new Map<string, number>();
  const hosts = [...hostNames].sort();
  for (const start of hosts) {
    if (offsets.has(start)) continue;
    offsets.set(start, 0);
    const queue = [start];
    for (let host = queue.shift(); host !== undefined; host = queue.shift()) {
      for (const other of hosts) {
        if (offsets.has(other)) continue;
        const { low, high } = together.difference(host, other);
        if (low === Number.NEGATIVE_INFINITY && high === Number.POSITIVE_INFINITY) continue;
        // if b's clock is d ahead of a's, b's times need a's correction less d
        const base = offsets.get(host) as number;
        offsets.set(other, -nearestToZero(low - base, high - base));
        queue.push(other);
      }
    }
  }
  return offsets;
}

/** The middle where the bounds contradict each other (a clock was set). */
function nearestToZero(low: number, high: number): number {
  if (low > high) return Math.round((low + high) / 2);
  if (low <= 0 && high >= 0) return 0;
  return low > 0 ? low : high;
}
