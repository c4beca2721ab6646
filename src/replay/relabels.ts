import { ImageInterest } from '../correlate/interest.js';
import type { Event, EventOf } from '../events/event.js';

/** What an event takes in memory beside its witness, measured: its object, its texts and its place in the state. */
const EVENT_BYTES = 1500;

/** Held relabels may take this much: some 30,000 of them. */
export const HELD_BYTES_MAX = 64 << 20;

/**
 * The relabels of a replay until it is known which of them concern an image, which the last file may tell. As long as
 * they are few they are held; beyond that they are let go, and the logs have to be read once more for those that
 * matter. Both ways give the same relabels.
 */
export class Relabels {
  private readonly interest = new ImageInterest();
  private readonly budget_bytes: number;
  private held_bytes = 0;
  private held: EventOf<'RelabelObserved'>[] = [];
  /** relabels, duplicates included, of files that are no guest's image */
  unconcerned = 0;

  constructor(budget_bytes: number) {
    this.budget_bytes = budget_bytes;
  }

  /** There were too many to hold: they have to be read again. */
  get isOverflown(): boolean {
    return this.held_bytes > this.budget_bytes;
  }

  learn(event: Event): void {
    this.interest.learn(event);
  }

  hold(event: EventOf<'RelabelObserved'>): void {
    if (this.isOverflown) return;
    this.held_bytes += event.witness.length + EVENT_BYTES;
    if (this.isOverflown) this.held = [];
    else this.held.push(withOwnWitness(event));
  }

  /** The held relabels that matter, once everything was learnt. */
  *concerned(): Iterable<Event> {
    for (const event of this.held) if (this.concerns(event)) yield event;
    this.held = [];
  }

  /** Does it matter? Counts it when it does not. */
  concerns(event: Event): boolean {
    const matters = this.interest.matters(event);
    if (!matters) this.unconcerned++;
    return matters;
  }
}

/** Witnesses are slices of the chunk they were read from; a copy lets go of the chunk. */
export function withOwnWitness<E extends Event>(event: E): E {
  return { ...event, witness: Buffer.from(event.witness) };
}
