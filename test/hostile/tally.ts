import { encodeEvent } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import type { EventSink, Rejected } from '../../src/events/origin.js';

/** One event in so many is encoded, to prove that whatever a reader makes can be stored. */
const ENCODED_ONE_IN = 16;

/** Counts what a reader hands on and lets go of it at once, as a long run needs it. */
export class Tally implements EventSink {
  events = 0;
  lines = 0;
  witnessBytes = 0;
  rejectedBytes = 0;
  foreignBytes = 0;
  readonly reasons = new Map<string, number>();
  readonly #witnesses = new WeakSet<Buffer>();

  event(event: Event): void {
    if (this.events++ % ENCODED_ONE_IN === 0) encodeEvent(event);
    // Facts of the same lines share one witness; facts of no line have none.
    if (event.witness.length === 0 || this.#witnesses.has(event.witness)) return;
    this.#witnesses.add(event.witness);
    this.witnessBytes += event.witness.length + 1;
  }

  rejected({ reason, bytes }: Rejected): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
    this.rejectedBytes += bytes.length + 1;
  }

  foreign(lines: number, bytes: number): void {
    this.lines += lines;
    this.foreignBytes += bytes;
  }

  /** Every byte that went in, each line with its newline. */
  get accountedBytes(): number {
    return this.witnessBytes + this.rejectedBytes + this.foreignBytes;
  }
}
