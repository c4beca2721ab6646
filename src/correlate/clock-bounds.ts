import { getOrMake } from '../domain/group.js';

/**
 * What happened-before says about the difference of two hosts' clocks.
 *
 * Nothing here believes a clock. A hand-over orders moments on two hosts (the source stops before the destination
 * resumes, which is before the source confirms), so it bounds how far their clocks can be apart; a second hand-over
 * must agree with the first. That tells possible orders of hand-overs from impossible ones, and does so the same
 * whatever constant is added to any clock.
 */
export class ClockBounds {
  /** upper bounds of (clock of b) - (clock of a), by a then b; µs */
  private readonly upper: Map<string, Map<string, number>>;

  constructor(other?: ClockBounds) {
    this.upper = new Map([...(other?.upper ?? [])].map(([host, row]) => [host, new Map(row)]));
  }

  /**
   * Adds: what happened at `at_us` on host a came before what happened at `later_us` on host b.
   *
   * @returns false when no clocks could have shown all that was added
   */
  before(a: string, at_us: number, b: string, later_us: number): boolean {
    // true times: at - offset_a <= later - offset_b, so offset_b - offset_a <= later - at
    return this.tighten(a, b, later_us - at_us + SLACK_US);
  }

  /** Bounds of (clock of b) - (clock of a); infinite where nothing is known. */
  difference(a: string, b: string): { low: number; high: number } {
    if (a === b) return { low: 0, high: 0 };
    const high = this.upper.get(a)?.get(b) ?? Number.POSITIVE_INFINITY;
    const low = -(this.upper.get(b)?.get(a) ?? Number.POSITIVE_INFINITY);
    return { low, high };
  }

  /** Nothing is known. */
  get isEmpty(): boolean {
    return this.upper.size === 0;
  }

  /** Whatever the other excludes this excludes, too. */
  isWithin(other: ClockBounds): boolean {
    for (const [a, row] of other.upper) {
      const own = this.upper.get(a);
      for (const [b, bound] of row) if ((own?.get(b) ?? Number.POSITIVE_INFINITY) > bound) return false;
    }
    return true;
  }

  /** Keeps of every bound the tighter one; what the two say together is not worked out. */
  meet(other: ClockBounds): void {
    for (const [a, row] of other.upper) {
      const own = getOrMake(this.upper, a, () => new Map<string, number>());
      for (const [b, bound] of row) own.set(b, Math.min(bound, own.get(b) ?? Number.POSITIVE_INFINITY));
    }
  }

  private tighten(a: string, b: string, bound: number): boolean {
    if (bound >= (this.upper.get(a)?.get(b) ?? Number.POSITIVE_INFINITY)) return true;
    this.set(a, b, bound);
    const hosts = [...new Set([...this.upper.keys(), a, b])];
    for (const from of hosts) {
      const toA = from === a ? 0 : this.upper.get(from)?.get(a);
      if (toA === undefined) continue;
      for (const to of hosts) {
        const fromB = to === b ? 0 : this.upper.get(b)?.get(to);
        if (fromB === undefined) continue;
        const through = toA + bound + fromB;
        if (from === to) {
          if (through < 0) return false;
        } else if (through < (this.upper.get(from)?.get(to) ?? Number.POSITIVE_INFINITY))
          this.set(from, to, through);
      }
    }
    return true;
  }

  private set(a: string, b: string, bound: number): void {
    getOrMake(this.upper, a, () => new Map()).set(b, bound);
  }
}

/** Streams are stamped late by up to this, and clocks drift: bounds are that much wider than the stamps say. */
const SLACK_US = 2_000_000;
