import { ImageInterest } from '../correlate/interest.js';
import type { Event, EventOf } from '../events/event.js';
import { sizeOf } from '../events/event-size.js';

/** Held relabels may take this much: some 30,000 of them. */
export const HELD_BYTES_MAX = 64 << 20;

type Relabel = EventOf<'RelabelObserved'>;

/**
 * The relabels of a replay whose files nothing ties to an image, yet: the last file may tell that they are one. As long
 * as they are few they are held; beyond that they are let go. If one of those turns out to matter, the logs have to be
 * read once more. All ways give the same relabels.
 */
export class Relabels {
  private readonly interest = new ImageInterest();
  private readonly budget_bytes: number;
  private held_bytes = 0;
  private held: Relabel[] = [];
  private letGo = 0;

  constructor(budget_bytes: number) {
    this.budget_bytes = budget_bytes;
  }

  /** One that was let go matters. */
  get mustBeReadAgain(): boolean {
    return this.interest.isMissing;
  }

  learn(event: Event): void {
    this.interest.learn(event);
  }

  /** Can a verdict rest on it, by what was learnt so far? */
  matters(event: Relabel): boolean {
    return this.interest.matters(event);
  }

  /** Takes one that does not matter, as far as it is known by now. */
  hold(event: Relabel): void {
    this.held_bytes += sizeOf(event);
    this.held.push(withOwnWitness(event));
    if (this.held_bytes <= this.budget_bytes) return;
    const concerned: Relabel[] = [];
    for (const each of this.held) {
      if (this.matters(each)) concerned.push(each);
      else this.leave(each);
    }
    this.held = concerned;
    this.held_bytes = 0;
  }

  /** Once everything was learnt: the held ones that matter by then, and how many there were that do not. */
  takeHeld(): { concerned: Relabel[]; unconcerned: number } {
    const concerned = this.held.filter((event) => this.matters(event));
    const unconcerned = this.held.length - concerned.length + this.letGo;
    this.held = [];
    return { concerned, unconcerned };
  }

  private leave(event: Relabel): void {
    this.interest.letGo(event);
    this.letGo++;
  }
}

/** Witnesses are slices of the chunk they were read from; a copy lets go of the chunk. */
export function withOwnWitness<E extends Event>(event: E): E {
  return { ...event, witness: Buffer.from(event.witness) };
}
