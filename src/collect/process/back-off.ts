const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

/**
 * How long to wait before the next attempt: twice as long each time, up to a minute. The jitter keeps the hosts of a
 * fleet from all knocking at once; it comes from the seed, so that a run can be repeated.
 */
export class BackOff {
  private seed: number;
  private attempts = 0;

  /** @param seed any text that differs between hosts */
  constructor(seed: string) {
    this.seed = hashOf(seed);
  }

  /** ms; at least half of the full wait */
  next(): number {
    const full_ms = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts);
    this.attempts = Math.min(this.attempts + 1, 30);
    return Math.round(full_ms * (0.5 + this.chance() / 2));
  }

  /** It worked for a while: the next failure is a new one. */
  reset(): void {
    this.attempts = 0;
  }

  /** 0 to 1 (mulberry32) */
  private chance(): number {
    this.seed = (this.seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** FNV-1a */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
