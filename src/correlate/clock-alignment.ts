import { ClockBounds } from './clock-bounds.js';

/**
 * Lays the hosts' clocks beside each other for showing one timeline, never for a verdict: what to add to each
 * host's times. A clock that agrees with what hand-overs say of it is left alone, so that the printed times are the
 * ones in the logs.
 */
export function alignClocks(hostNames: Iterable<string>, together: ClockBounds): Map<string, number> {
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

/** What all guests' hand-overs together say about the clocks, kept while guests are judged again and again. */
export class ClockRelations<Key> {
  private readonly of = new Map<Key, readonly ClockBounds[]>();
  /** null when a guest says less than it did: then all have to be asked again */
  private met: ClockBounds | null = new ClockBounds();

  set(key: Key, bounds: readonly ClockBounds[]): void {
    const said = bounds.filter((each) => !each.isEmpty);
    const former = this.of.get(key) ?? [];
    if (said.length === 0) this.of.delete(key);
    else this.of.set(key, said);
    if (former.some((each) => !said.some((other) => other.isWithin(each)))) this.met = null;
    for (const each of said) this.met?.meet(each);
  }

  delete(key: Key): void {
    this.set(key, []);
  }

  get together(): ClockBounds {
    if (this.met === null) {
      this.met = new ClockBounds();
      for (const all of this.of.values()) for (const each of all) this.met.meet(each);
    }
    return this.met;
  }
}
