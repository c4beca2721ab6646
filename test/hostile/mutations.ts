import type { Random } from '../../src/sim/random.js';

/** Whoever damages a log damages bytes: nothing in here knows of text. */

/** Bytes that mean something to a parser of logs, and some that mean nothing to anybody. */
const TROUBLE = Buffer.from('\0\r\n\t\x1b\x1d "\'\\=:,;(){}[]<>&/-.+%#~\x7f\x80\xc3\xff', 'latin1');
const NUMBERS = ['-1', '0', '', '00', '4294967295', '4294967296', '9007199254740993', '9'.repeat(40)].map(
  (text) => Buffer.from(text),
);
const LONGEST_INSERTION = 80_000;
const SPACE = 0x20;

/** A growing piece of log. Bytes from `lineStart` to `length` are the line that is being damaged. */
export class Draft {
  readonly bytes: Buffer;
  length = 0;
  lineStart = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Whether a line of this length still fits after any one mutation. */
  hasRoomFor(line: Buffer): boolean {
    return this.length + 2 * line.length + LONGEST_INSERTION < this.bytes.length;
  }

  clear(): void {
    this.length = 0;
  }

  begin(line: Buffer): void {
    this.lineStart = this.length;
    this.length += line.copy(this.bytes, this.length);
  }

  written(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for `count` bytes at `at`; what stood there moves on. */
  open(at: number, count: number): void {
    this.bytes.copyWithin(at + count, at, this.length);
    this.length += count;
  }

  remove(at: number, count: number): void {
    const removed = Math.min(count, this.length - at);
    this.bytes.copyWithin(at, at + removed, this.length);
    this.length -= removed;
  }
}

type Mutation = (draft: Draft, at: number, random: Random, other: Buffer) => void;

const MUTATIONS: readonly Mutation[] = [
  function flipBit({ bytes }, at, random) {
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  },
  function setByte({ bytes }, at, random) {
    bytes[at] = random.below(256);
  },
  function setTrouble({ bytes }, at, random) {
    bytes[at] = TROUBLE[random.below(TROUBLE.length)] as number;
  },
  function insertTrouble(draft, at, random) {
    draft.open(at, 1);
    draft.bytes[at] = TROUBLE[random.below(TROUBLE.length)] as number;
  },
  function deleteBytes(draft, at, random) {
    draft.remove(at, 1 + random.below(random.pick([2, 20, 400])));
  },
  function cutLine(draft, at) {
    draft.length = at;
  },
  function spliceOtherLine(draft, at, random, other) {
    draft.length = at + other.copy(draft.bytes, at, random.below(other.length));
  },
  function repeatPart(draft, at, random) {
    const field = draft.bytes.indexOf(SPACE, at);
    const from = field < 0 || field >= draft.length ? at : field;
    const length = Math.min(draft.length - from, 1 + random.below(60));
    draft.open(from + length, length);
    draft.bytes.copyWithin(from + length, from, from + length);
  },
  function replaceNumber(draft, at, random) {
    let from = at;
    while (from < draft.length && !isDigit(draft.bytes[from])) from++;
    let to = from;
    while (to < draft.length && isDigit(draft.bytes[to])) to++;
    const number = random.pick(NUMBERS);
    draft.remove(from, to - from);
    draft.open(from, number.length);
    number.copy(draft.bytes, from);
  },
  function lengthenField(draft, at, random) {
    const length = random.chance(1 / 50) ? random.below(LONGEST_INSERTION) : random.below(600);
    draft.open(at, length);
    draft.bytes.fill(random.pick([0x41, 0x30, 0x22, 0x5c, 0xff]), at, at + length);
  },
];

/** Does one thing to the draft's line, at any place of it. */
export function mutate(draft: Draft, random: Random, other: Buffer): void {
  const at = draft.lineStart + random.below(Math.max(1, draft.length - draft.lineStart));
  if (at < draft.length) random.pick(MUTATIONS)(draft, at, random, other);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Cuts bytes at random: mostly into pieces as a disk gives them, now and then into crumbs. */
export function* randomChunks(bytes: Buffer, random: Random): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(random.chance(1 / 8) ? 40 : 1 << 18);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
