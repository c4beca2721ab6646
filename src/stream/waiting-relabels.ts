import { ImageInterest } from '../correlate/interest.js';
import type { Event, EventOf } from '../events/event.js';
import { fullerCopy } from './judge.js';

/** What an event takes in memory beside its witness, measured: its object, its texts and its place in a map. */
const EVENT_BYTES = 1500;

export type Relabel = EventOf<'RelabelObserved'>;

export interface Dropped {
  relabel: Relabel;
  /** too old, or too many */
  why: 'age' | 'bytes';
}

/**
 * Relabels of files that nothing ties to a guest, yet: a later event can tell that a file is an image. They wait up to
 * a limit of memory and of age; beyond it they are dropped, the oldest first, and counted.
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

  /** @param expired_us before it, a relabel of the host is too old; null while the host has not said how far it is */
  dropExcess(expired_us: (host: string) => number | null): Dropped[] {
    const dropped: Dropped[] = [];
    for (const relabel of this.#waiting.values()) {
      const isOld = relabel.at < (expired_us(relabel.host) ?? Number.NEGATIVE_INFINITY);
      if (isOld) dropped.push({ relabel, why: 'age' });
      else if (this.#bytes > this.#bytes_max) dropped.push({ relabel, why: 'bytes' });
      else break; // they stand in the order in which they came, and age in nearly the same
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

function sizeOf(relabel: Relabel): number {
  return relabel.witness.length + EVENT_BYTES;
}
