import type { RelabelObserved } from '../../events/event.js';
import { joinedLines } from '../line-bytes.js';
import type { Stamp } from './emitter.js';

/** Under `never,task` the two checks of one call are two events: their serials follow each other closely. */
const SERIALS_APART = 8;
/** Halves kept at most; past it the oldest stands alone. */
const MAX_WAITING = 64;

/** A relabel known from AVCs alone, with where it stands and its lines. */
export interface AvcRelabel {
  stamp: Stamp;
  sequence: number;
  body: RelabelObserved;
  witness: Buffer;
}

/** Joins a lone relabelfrom with the lone relabelto of the same process and file that comes next. */
export class AvcPairs {
  readonly #emit: (relabel: AvcRelabel) => void;
  #waiting: AvcRelabel[] = [];

  constructor(emit: (relabel: AvcRelabel) => void) {
    this.#emit = emit;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Stamp of the oldest half; infinite when there is none. */
  get since_ms(): number {
    return this.#waiting[0]?.stamp.at_ms ?? Number.POSITIVE_INFINITY;
  }

  add(relabel: AvcRelabel): void {
    if (relabel.body.asked_context !== null && relabel.body.before_context !== null) {
      this.#emit(relabel);
      return;
    }
    const index = this.#waiting.findIndex((first) => areHalves(first, relabel));
    if (index >= 0) {
      const [first] = this.#waiting.splice(index, 1) as [AvcRelabel];
      this.#emit(joined(first, relabel));
      return;
    }
    this.#waiting.push(relabel);
    if (this.#waiting.length > MAX_WAITING) this.#emit(this.#waiting.shift() as AvcRelabel);
  }

  /** Halves from before `at_ms` stay alone. */
  flushBefore(at_ms: number): void {
    while (this.#waiting.length > 0 && (this.#waiting[0] as AvcRelabel).stamp.at_ms < at_ms)
      this.#emit(this.#waiting.shift() as AvcRelabel);
  }

  end(): void {
    this.flushBefore(Number.POSITIVE_INFINITY);
  }
}

function areHalves(first: AvcRelabel, second: AvcRelabel): boolean {
  const distance = (second.stamp.serial - first.stamp.serial) | 0;
  return (
    distance > 0 &&
    distance <= SERIALS_APART &&
    first.body.before_context !== null &&
    second.body.asked_context !== null &&
    first.stamp.node === second.stamp.node &&
    first.body.pid === second.body.pid &&
    first.body.dev === second.body.dev &&
    first.body.inode === second.body.inode
  );
}

function joined(first: AvcRelabel, second: AvcRelabel): AvcRelabel {
  return {
    stamp: first.stamp,
    sequence: second.sequence,
    body: {
      ...first.body,
      asked_context: second.body.asked_context,
      success: second.body.success ?? first.body.success,
    },
    witness: joinedLines([first.witness, second.witness]),
  };
}
