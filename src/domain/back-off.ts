/**
 * How long to wait before the next attempt at something that failed: twice as long each time, within limits. The jitter
 * keeps those that failed together from all trying again at once; it comes from a seed, so that a run can be repeated.
 */
export class BackOff {
  readonly #first_ms: number;
  readonly #most_ms: number;
  #seed: number;
  #full_ms: number;

  /** @param seed any text that differs between those that may fail together, as the names of hosts */
  constructor({ first_ms, most_ms, seed }: { first_ms: number; most_ms: number; seed: string }) {
    this.#first_ms = first_ms;
    this.#most_ms = most_ms;
    this.#seed = hashOf(seed);
    this.#full_ms = first_ms;
  }

  /** ms; at least half of the full wait */
  next(): number {
    const wait_ms = Math.round(this.#full_ms * (0.5 + this.#chance() / 2));
    this.#full_ms = Math.min(2 * this.#full_ms, this.#most_ms);
    return wait_ms;
  }

  /** It worked for a while: the next failure is a new one. */
  reset(): void {
    this.#full_ms = this.#first_ms;
  }

  /** 0 to 1 (mulberry32) */
  #chance(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
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
