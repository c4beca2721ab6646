import type { ByteText } from '../../domain/byte-text.js';
import { ByteView, copied, NO_BYTES } from './byte-view.js';
import { FieldCursor, keyOf } from './field-cursor.js';
import type { TextCache } from './text-cache.js';
import { plainText, untrustedText } from './values.js';
import { type Program, programOf } from './xattr-evidence.js';

const COMM = keyOf('comm');
const EXE = keyOf('exe');
const SUBJ = keyOf('subj');
const KEY = keyOf('key');

const SLOTS = 256;
const SAMPLE_STEP = 7;

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
  readonly #lengths = new Int32Array(SLOTS);
  readonly #written: DataView[] = new Array<DataView>(SLOTS).fill(NO_BYTES);
  readonly #callers: Caller[] = new Array<Caller>(SLOTS).fill(NO_CALLER);
  readonly #view = new ByteView();

  constructor(texts: TextCache) {
    this.#texts = texts;
  }

  read(bytes: Buffer, start: number, end: number): Caller {
    const length = end - start;
    let hash = length;
    for (let i = start; i < end; i += SAMPLE_STEP) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const isKnown =
      this.#lengths[slot] === length &&
      this.#view.equals(bytes, start, this.#written[slot] as DataView, length);
    if (isKnown) return this.#callers[slot] as Caller;
    const caller = this.#parse(bytes, start, end);
    this.#lengths[slot] = length;
    this.#written[slot] = copied(bytes, start, end);
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
