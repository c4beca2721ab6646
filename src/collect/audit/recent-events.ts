import type { ByteText } from '../../domain/byte-text.js';

const SLOTS = 8192;

/** What became of an event whose records may still arrive. */
export const Fate = { UNSEEN: 0, FOREIGN: 1, DONE: 2 } as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

/**
 * Remembers the last events by serial, so that a late record is known as late and the records of an event that is
 * none of ours are passed over. Fixed size: an event is forgotten when another 8192 serials away takes its slot,
 * thousands of events after its last record.
 */
export class RecentEvents {
  readonly #serials = new Float64Array(SLOTS).fill(-1);
  readonly #times_ms = new Float64Array(SLOTS);
  readonly #fates = new Uint8Array(SLOTS);
  readonly #nodes: (ByteText | null)[] = new Array<ByteText | null>(SLOTS).fill(null);

  fateOf(node: ByteText | null, at_ms: number, serial: number): Fate {
    const slot = serial & (SLOTS - 1);
    return this.#serials[slot] === serial && this.#times_ms[slot] === at_ms && this.#nodes[slot] === node
      ? (this.#fates[slot] as Fate)
      : Fate.UNSEEN;
  }

  remember(node: ByteText | null, at_ms: number, serial: number, fate: Fate): void {
    const slot = serial & (SLOTS - 1);
    this.#serials[slot] = serial;
    this.#times_ms[slot] = at_ms;
    this.#fates[slot] = fate;
    this.#nodes[slot] = node;
  }
}
