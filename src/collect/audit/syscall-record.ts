import { CARRIAGE_RETURN } from '../line-bytes.js';
import { EQUALS, GROUP_SEPARATOR, HEX_DIGITS, MINUS, NO_DIGIT, SPACE, word, wordOf, ZERO } from './bytes.js';
import { type Caller, CallerReader, NO_CALLER } from './caller.js';
import {
  type Architecture,
  architectureOf,
  type CallShape,
  relabelCallOf,
  URING_SHAPES,
} from './syscall-table.js';
import type { TextCache } from './text-cache.js';

const LETTER_Y = 0x79;
const LETTER_N = 0x6e;
const WIDEST_32_BITS = 8;
/** Longer numbers are garbled: the kernel's have at most 64 bits, and ours must be exact. */
const LONGEST_HEX = 16;
const LONGEST_DECIMAL = 15;

/** Numbers of a SYSCALL record by place; the places of a0..a3 follow each other. The first five are hex. */
const Slot = {
  A0: 0,
  A1: 1,
  A2: 2,
  A3: 3,
  ARCH: 4,
  SYSCALL: 5,
  EXIT: 6,
  ITEMS: 7,
  PPID: 8,
  PID: 9,
  AUID: 10,
  UID: 11,
  URING_OP: 12,
} as const;
const SLOTS = 13;
const LAST_HEX_SLOT = Slot.ARCH;
const NO_SLOT = -1;

/** How a field's name begins, and what it is: see `word`. */
const W_ARCH = wordOf('arch');
const W_SYSCALL = wordOf('sysc');
const W_EXIT = wordOf('exit');
const W_ITEMS = wordOf('item');
const W_PPID = wordOf('ppid');
const W_PID = wordOf('pid=');
const W_AUID = wordOf('auid');
const W_UID = wordOf('uid=');
const W_URING_OP = wordOf('urin');
const W_SUCCESS = wordOf('succ');
const W_GID = wordOf('gid=');
const LETTER_A = 0x61;

/** Lengths of the names by slot; a field whose `=` stands elsewhere is another one. */
const NAME_LENGTHS = new Uint8Array(SLOTS);
for (const [name, slot] of Object.entries(Slot)) NAME_LENGTHS[slot] = name.length;

function slotAt(bytes: Buffer, at: number): number {
  if (bytes[at] === LETTER_A && bytes[at + 2] === EQUALS) {
    const argument = (bytes[at + 1] as number) - ZERO;
    return argument >= 0 && argument <= 3 ? argument : NO_SLOT;
  }
  switch (word(bytes, at)) {
    case W_ARCH:
      return Slot.ARCH;
    case W_SYSCALL:
      return Slot.SYSCALL;
    case W_EXIT:
      return Slot.EXIT;
    case W_ITEMS:
      return Slot.ITEMS;
    case W_PPID:
      return Slot.PPID;
    case W_PID:
      return Slot.PID;
    case W_AUID:
      return Slot.AUID;
    case W_UID:
      return Slot.UID;
    case W_URING_OP:
      return Slot.URING_OP;
    default:
      return NO_SLOT;
  }
}

/**
 * A SYSCALL or URINGOP record. One object is reused from event to event. Numbers that the record does not state, or
 * that are garbled, are null.
 */
export class SyscallRecord {
  arch: Architecture | undefined;
  /** undefined: not a call that relabels, or of an architecture that we do not know */
  shape: CallShape | undefined;
  success: boolean | null = null;
  caller: Caller = NO_CALLER;

  readonly #callers: CallerReader;
  readonly #numbers = new Float64Array(SLOTS);
  /** bit `1 << slot` for each number that is stated */
  #statedSlots = 0;
  #a3IsWide = false;

  constructor(texts: TextCache) {
    this.#callers = new CallerReader(texts);
  }

  get exit(): number | null {
    return this.#stated(Slot.EXIT);
  }

  /** how many PATH records the event should have */
  get items(): number {
    return this.#stated(Slot.ITEMS) ?? 0;
  }

  get pid(): number | null {
    return this.#stated(Slot.PID);
  }

  get ppid(): number | null {
    return this.#stated(Slot.PPID);
  }

  get uid(): number | null {
    return this.#stated(Slot.UID);
  }

  get auid(): number | null {
    return this.#stated(Slot.AUID);
  }

  /** Low 32 bits of a0..a3, unsigned; null for -1, which stands for "no such argument". */
  argument(index: number): number | null {
    return index < 0 ? null : this.#stated(index);
  }

  /** The argument's upper half is in use. Only known of a3, the one that may be a size. */
  isWide(index: number): boolean {
    return index === Slot.A3 && this.#a3IsWide;
  }

  clear(): void {
    this.arch = undefined;
    this.shape = undefined;
    this.success = null;
    this.caller = NO_CALLER;
    this.#statedSlots = 0;
    this.#a3IsWide = false;
  }

  /** One scan, in which each byte of the numbers is looked at once. */
  read(bytes: Buffer, start: number, end: number): void {
    this.clear();
    let at = start;
    while (at < end) {
      const slot = slotAt(bytes, at);
      const nameEnd = slot === NO_SLOT ? at : at + (NAME_LENGTHS[slot] as number);
      if (slot !== NO_SLOT && bytes[nameEnd] === EQUALS) {
        at = this.#readNumber(slot, bytes, nameEnd + 1, end);
      } else {
        const first = word(bytes, at);
        if (first === W_GID) {
          this.caller = this.#callers.read(bytes, at, end);
          break;
        }
        if (first === W_SUCCESS) this.success = successOf(bytes[at + 'success='.length] as number);
      }
      while (at < end && !isValueEnd(bytes[at] as number)) at++;
      if (bytes[at] === GROUP_SEPARATOR) break;
      at++;
    }
    this.#findCall();
  }

  /** @returns the index after the digits; what follows other than the end of the value makes it none */
  #readNumber(slot: number, bytes: Buffer, start: number, end: number): number {
    let at = start;
    let value = 0;
    if (slot <= LAST_HEX_SLOT) {
      for (; at < end; at++) {
        const digit = HEX_DIGITS[bytes[at] as number] as number;
        if (digit === NO_DIGIT) break;
        value = (value << 4) | digit;
      }
      value >>>= 0;
      if (slot === Slot.A3) this.#a3IsWide = at - start > WIDEST_32_BITS;
    } else {
      const isNegative = bytes[at] === MINUS;
      if (isNegative) at++;
      for (; at < end; at++) {
        const digit = (bytes[at] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
      }
      if (isNegative) value = -value;
    }
    const isExact = at - start <= (slot <= LAST_HEX_SLOT ? LONGEST_HEX : LONGEST_DECIMAL);
    if (at > start && isExact && (at === end || isValueEnd(bytes[at] as number))) {
      this.#numbers[slot] = value;
      this.#statedSlots |= 1 << slot;
    }
    return at;
  }

  #findCall(): void {
    const operation = this.#stated(Slot.URING_OP);
    if (operation !== null) {
      this.shape = URING_SHAPES.get(operation);
      return;
    }
    const code = this.#stated(Slot.ARCH);
    const number = this.#stated(Slot.SYSCALL);
    if (code !== null) this.arch = architectureOf(code);
    if (this.arch !== undefined && number !== null) this.shape = relabelCallOf(this.arch, number);
  }

  #stated(slot: number): number | null {
    return (this.#statedSlots & (1 << slot)) === 0 ? null : (this.#numbers[slot] as number);
  }
}

function successOf(firstLetter: number): boolean | null {
  if (firstLetter === LETTER_Y) return true;
  return firstLetter === LETTER_N ? false : null;
}

function isValueEnd(byte: number): boolean {
  return byte === SPACE || byte === GROUP_SEPARATOR || byte === CARRIAGE_RETURN;
}
