import type { ByteText } from '../../domain/byte-text.js';
import { ascii, decimal, hexLow32, matches, SPACE, signedDecimal } from './bytes.js';
import { FieldCursor, keyOf } from './field-cursor.js';
import {
  type Architecture,
  architectureOf,
  type CallShape,
  relabelCallOf,
  URING_SHAPES,
} from './syscall-table.js';
import type { TextCache } from './text-cache.js';
import { plainText, untrustedText } from './values.js';

const ARCH = keyOf('arch');
const SYSCALL = keyOf('syscall');
const URING_OP = keyOf('uring_op');
const SUCCESS = keyOf('success');
const EXIT = keyOf('exit');
const A0 = keyOf('a0');
const A1 = keyOf('a1');
const A2 = keyOf('a2');
const A3 = keyOf('a3');
const ITEMS = keyOf('items');
const PPID = keyOf('ppid');
const PID = keyOf('pid');
const AUID = keyOf('auid');
const UID = keyOf('uid');
const GID = keyOf('gid');
const COMM = keyOf('comm');
const EXE = keyOf('exe');
const SUBJ = keyOf('subj');
const KEY = keyOf('key');

const ARCH_PREFIX = ascii('arch=');
const SYSCALL_PREFIX = ascii(' syscall=');
const LETTER_Y = 0x79;
const LETTER_N = 0x6e;
const WIDEST_32_BITS = 8;

/** Who made a call: what stands after `uid=` in a SYSCALL record. */
export interface Caller {
  comm: ByteText | null;
  exe: ByteText | null;
  subject: ByteText | null;
  key: ByteText | null;
}

const NO_CALLER: Caller = { comm: null, exe: null, subject: null, key: null };

/**
 * A SYSCALL or URINGOP record. One object is reused from event to event.
 * Numbers that the record does not state are -1; ids are unsigned, so that is never an id.
 */
export class SyscallRecord {
  arch: Architecture | undefined;
  /** undefined: not a call that relabels, or of an architecture that we do not know */
  shape: CallShape | undefined;
  success: boolean | null = null;
  exit: number | null = null;
  /** low 32 bits of a0..a3 */
  readonly arguments = [-1, -1, -1, -1];
  /** a3 does not fit 32 bits */
  a3IsWide = false;
  items = -1;
  ppid = -1;
  pid = -1;
  auid = -1;
  uid = -1;
  caller: Caller = NO_CALLER;

  readonly #texts: TextCache;
  readonly #cursor = new FieldCursor();
  readonly #callers = new CallerCache();

  constructor(texts: TextCache) {
    this.#texts = texts;
  }

  read(bytes: Buffer, start: number, end: number): void {
    this.clear();
    const field = this.#cursor;
    field.start(bytes, start, end);
    while (field.next()) {
      switch (field.key) {
        case ARCH:
          this.arch = architectureOf(hexLow32(bytes, field.valueStart, field.valueEnd));
          break;
        case SYSCALL:
          if (this.arch !== undefined) {
            const number = decimal(bytes, field.valueStart, field.valueEnd);
            this.shape = number < 0 ? undefined : relabelCallOf(this.arch, number);
          }
          break;
        case URING_OP:
          this.shape = URING_SHAPES.get(decimal(bytes, field.valueStart, field.valueEnd));
          break;
        case SUCCESS: {
          const first = bytes[field.valueStart];
          if (first === LETTER_Y) this.success = true;
          else if (first === LETTER_N) this.success = false;
          break;
        }
        case EXIT:
          this.exit = signedDecimal(bytes, field.valueStart, field.valueEnd);
          break;
        case A0:
          this.arguments[0] = hexLow32(bytes, field.valueStart, field.valueEnd);
          break;
        case A1:
          this.arguments[1] = hexLow32(bytes, field.valueStart, field.valueEnd);
          break;
        case A2:
          this.arguments[2] = hexLow32(bytes, field.valueStart, field.valueEnd);
          break;
        case A3:
          this.arguments[3] = hexLow32(bytes, field.valueStart, field.valueEnd);
          this.a3IsWide = field.valueEnd - field.valueStart > WIDEST_32_BITS;
          break;
        case ITEMS:
          this.items = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case PPID:
          this.ppid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case PID:
          this.pid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case AUID:
          this.auid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case UID:
          this.uid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case GID:
          this.caller = this.#callerFrom(bytes, field.keyStart, end);
          return;
        default:
      }
    }
  }

  /** From `gid=` on, a record repeats itself for every call of the same program. */
  #callerFrom(bytes: Buffer, start: number, end: number): Caller {
    const known = this.#callers.find(bytes, start, end);
    if (known !== null) return known;
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
    this.#callers.keep(caller, bytes, start, end);
    return caller;
  }

  clear(): void {
    this.arch = undefined;
    this.shape = undefined;
    this.success = null;
    this.exit = null;
    this.arguments[0] = -1;
    this.arguments[1] = -1;
    this.arguments[2] = -1;
    this.arguments[3] = -1;
    this.a3IsWide = false;
    this.items = -1;
    this.ppid = -1;
    this.pid = -1;
    this.auid = -1;
    this.uid = -1;
    this.caller = NO_CALLER;
  }
}

/** What the gate says of a SYSCALL record. */
export const Gate = { FOREIGN: 0, OURS: 1, GARBLED: 2 } as const;
export type Gate = (typeof Gate)[keyof typeof Gate];

/**
 * Does a SYSCALL record's body begin with the number of a call that relabels? Looks at its first 30 bytes only, so
 * that the many events that are none of ours cost next to nothing.
 */
export function gateOf(bytes: Buffer, start: number, end: number): Gate {
  if (!matches(bytes, start, ARCH_PREFIX)) return Gate.GARBLED;
  let at = start + ARCH_PREFIX.length;
  const codeStart = at;
  while (at < end && bytes[at] !== SPACE) at++;
  const code = hexLow32(bytes, codeStart, at);
  if (code < 0 || !matches(bytes, at, SYSCALL_PREFIX)) return Gate.GARBLED;
  at += SYSCALL_PREFIX.length;
  const numberStart = at;
  while (at < end && bytes[at] !== SPACE) at++;
  const number = signedDecimal(bytes, numberStart, at);
  if (number === null) return Gate.GARBLED;
  const known = architectureOf(code);
  return known !== undefined && relabelCallOf(known, number) !== undefined ? Gate.OURS : Gate.FOREIGN;
}

const CALLER_SLOTS = 256;
const SAMPLE_STEP = 7;

/** The last caller for each hash of the bytes that state it. */
class CallerCache {
  readonly #written: (Buffer | null)[] = new Array<Buffer | null>(CALLER_SLOTS).fill(null);
  readonly #callers: Caller[] = new Array<Caller>(CALLER_SLOTS).fill(NO_CALLER);
  #slot = 0;

  find(bytes: Buffer, start: number, end: number): Caller | null {
    let hash = end - start;
    for (let i = start; i < end; i += SAMPLE_STEP) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
    this.#slot = (hash ^ (hash >>> 16)) & (CALLER_SLOTS - 1);
    const written = this.#written[this.#slot] as Buffer | null;
    if (written === null || written.length !== end - start) return null;
    for (let i = 0; i < written.length; i++) if (written[i] !== bytes[start + i]) return null;
    return this.#callers[this.#slot] as Caller;
  }

  /** Under the bytes that `find` was just asked for. */
  keep(caller: Caller, bytes: Buffer, start: number, end: number): void {
    this.#written[this.#slot] = Buffer.from(bytes.subarray(start, end));
    this.#callers[this.#slot] = caller;
  }
}
