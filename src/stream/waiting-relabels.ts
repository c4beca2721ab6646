import { ImageInterest } from '../correlate/interest.js';
import type { Event, EventOf } from '../events/event.js';
import { sizeOf } from '../events/event-size.js';
import { fullerCopy } from './judge.js';

export type Relabel = EventOf<'RelabelObserved'>;

/**
 * Relabels of files that nothing ties to a guest, yet: a later event can tell that a file is an image. They wait up to
 * a limit of memory; beyond it they are dropped, those that came first before others, and counted. Their age is none: a
 * collector that was away brings old ones, and what they concern right after them.
 */
export class WaitingRelabels {
  readonly #bytes_max: number;
  readonly #interest = new ImageInterest();
  readonly #waiting = new Map<string, Relabel>();
  #bytes = 0;
  #mayTie = false;

  constructor(bytes_max: number) {
    this.#bytes_max = bytes_max;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Every event has to be learnt before it, or any that came with it, is asked about. */
  learn(event: Event): void {
    this.#interest.learn(event);
    if (TIES.has(event.kind)) this.#mayTie = true;
  }

  /** Images of which no event is kept. */
  learnFiles(keys: readonly string[]): void {
    this.#interest.learnKeys(keys);
  }

  /** Can a verdict rest on it, by what was learnt? */
  matters(relabel: Relabel): boolean {
    const matters = this.#interest.matters(relabel);
    // it can tie the name of an image to an inode, under which others wait
    if (matters) this.#mayTie = true;
    return matters;
  }

  /** Returns whether it, or this copy of it, is new. */
  hold(relabel: Relabel): boolean {
    const known = this.#waiting.get(relabel.id);
    const kept = known === undefined ? relabel : (fullerCopy(known, relabel) as Relabel);
    if (kept === known) return false;
    if (known !== undefined) this.#bytes -= sizeOf(known);
    this.#waiting.set(kept.id, kept);
    this.#bytes += sizeOf(kept);
    return true;
  }

  /** Lets go of those that matter by now. */
  takeConcerned(): Relabel[] {
    if (!this.#mayTie) return [];
    this.#mayTie = false;
    const concerned = [...this.#waiting.values()].filter((relabel) => this.#interest.matters(relabel));
    for (const relabel of concerned) this.#remove(relabel);
    return concerned;
  }

  dropExcess(): Relabel[] {
    const dropped: Relabel[] = [];
    for (const relabel of this.#waiting.values()) {
      if (this.#bytes <= this.#bytes_max) break;
      dropped.push(relabel);
      this.#remove(relabel);
    }
    return dropped;
  }

  #remove(relabel: Relabel): void {
    this.#waiting.delete(relabel.id);
    this.#bytes -= sizeOf(relabel);
  }
}

/** Kinds that name images, or files of any kind. */
const TIES: ReadonlySet<Event['kind']> = new Set<Event['kind']>([
  'ImageAssigned',
  'AccessDenied',
  'HostFactsRead',
]);
