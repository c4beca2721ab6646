import type { ByteText } from '../../domain/byte-text.js';
import { areSame, ByteView, keep, mixed } from './byte-view.js';
import { FieldCursor, keyOf } from './field-cursor.js';
import type { TextCache } from './text-cache.js';
import { plainText, untrustedText } from './values.js';
import { type Program, programOf } from './xattr-evidence.js';

const COMM = keyOf('comm');
const EXE = keyOf('exe');
const SUBJ = keyOf('subj');
const KEY = keyOf('key');

const SLOT_BITS = 8;
const SLOTS = 1 << SLOT_BITS;
/** what is longer, as by a very long key, is read each time */
const LONGEST_CACHED = 1024;
/** the hash is made of four bytes in so many */
const SAMPLE_STEP = 12;

/** Who made a call: what stands from `gid=` on in a SYSCALL record. */
export interface Caller {
  comm: ByteText | null;
  exe: ByteText | null;
  subject: ByteText | null;
  key: ByteText | null;
  program: Program;
}

export const NO_CALLER: Caller = { comm: null, exe: null, subject: null, key: null, program: 'other' };

/**
 * Reads callers. From `gid=` on, a record repeats itself for every call of a program, so the last caller is kept for
 * each hash of the bytes that state it. Fixed size; a collision only costs a reading.
 */
export class CallerReader {
  readonly #texts: TextCache;
  readonly #cursor = new FieldCursor();
  readonly #view = new ByteView();
  /** of each slot: how many bytes state what it holds, and those bytes */
  readonly #lengths = new Int32Array(SLOTS);
  readonly #kept = new DataView(new ArrayBuffer(SLOTS * LONGEST_CACHED));
  readonly #callers: Caller[] = new Array<Caller>(SLOTS).fill(NO_CALLER);

  constructor(texts: TextCache) {
    this.#texts = texts;
  }

  read(bytes: Buffer, start: number, end: number): Caller {
    const length = end - start;
    if (length > LONGEST_CACHED) return this.#parse(bytes, start, end);
    const view = this.#view.of(bytes);
    let hash = length;
    for (let at = start; at + 4 <= end; at += SAMPLE_STEP) hash = mixed(hash, view.getInt32(at));
    const slot = hash >>> (32 - SLOT_BITS);
    const keptAt = slot * LONGEST_CACHED;
    if (this.#lengths[slot] === length && areSame(view, start, this.#kept, keptAt, length))
      return this.#callers[slot] as Caller;
    const caller = this.#parse(bytes, start, end);
    keep(view, start, length, this.#kept, keptAt);
    this.#lengths[slot] = length;
    this.#callers[slot] = caller;
    return caller;
  }

  #parse(bytes: Buffer, start: number, end: number): Caller {
    const caller: Caller = { ...NO_CALLER };
    const field = this.#cursor;
    field.start(bytes, start, end);
    while (field.next()) {
      switch (field.key) {
        case COMM:
          caller.comm = untrustedText(field, bytes, this.#texts);
          break;
        case EXE:
          caller.exe = untrustedText(field, bytes, this.#texts);
          break;
        case SUBJ:
          field.extendOverWords();
          caller.subject = plainText(field, bytes, this.#texts);
          break;
        case KEY:
          caller.key = untrustedText(field, bytes, this.#texts);
          break;
        default:
      }
    }
    caller.program = programOf(caller.exe, caller.subject);
    return caller;
  }
}
