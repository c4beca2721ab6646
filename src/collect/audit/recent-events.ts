import type { ByteText } from '../../domain/byte-text.js';

const SLOTS = 8192;
/** Records of one event stand within so many events of each other; two CPUs interleave two or three. */
const NEIGHBOURS = 64;

/** An event that was read, and what became of it. */
export interface PastEvent {
  node: ByteText | null;
  at_ms: number;
  serial: number;
  fate: Fate;
}

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

  /** slots in the order in which they were last written */
  readonly #latest = new Int16Array(NEIGHBOURS).fill(-1);
  #writes = 0;

  /** The last few, oldest first. */
  neighbours(): PastEvent[] {
    const slots = new Set<number>();
    for (let i = this.#writes - NEIGHBOURS; i < this.#writes; i++) {
      const slot = this.#latest[i & (NEIGHBOURS - 1)] as number;
      if (slot >= 0) slots.add(slot);
    }
    return [...slots].map((slot) => ({
      node: this.#nodes[slot] as ByteText | null,
      at_ms: this.#times_ms[slot] as number,
      serial: this.#serials[slot] as number,
      fate: this.#fates[slot] as Fate,
    }));
  }

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
    this.#latest[this.#writes++ & (NEIGHBOURS - 1)] = slot;
  }
}
