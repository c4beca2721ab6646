import type { ByteText } from '../../domain/byte-text.js';
import { LATEST_TIME_US } from '../../domain/time.js';
import { ByteView } from './byte-view.js';
import { COLON, EQUALS, SPACE, word, wordOf, ZERO } from './bytes.js';
import { RecordType, TypeName } from './record-type.js';
import type { TextCache } from './text-cache.js';

const NODE_LENGTH = 'node='.length;
const W_NODE = wordOf('node');
const W_TYPE = wordOf('type');
const TYPE_LENGTH = 'type='.length;
const W_MSG = wordOf('msg=');
const W_AUDIT = wordOf('audi');
const STAMP_LENGTH = 'msg=audit('.length;
const LETTER_T = 0x74;
const OPEN = 0x28;
const DOT = 0x2e;
const CLOSE = 0x29;
const LONGEST_NODE = 256;
const LONGEST_STAMP = 40;
const MAX_SERIAL = 0xffffffff;
const LATEST_TIME_MS = LATEST_TIME_US / 1000;

export type HeaderProblem = 'not-a-record' | 'bad-stamp';

/**
 * The start of a record line, `[node=NAME ]type=TYPE msg=audit(SEC.MMM:SERIAL): `, as auditd writes it; 0 to 2
 * spaces may follow the last colon. One object is reused for every line: most lines repeat the stamp of the line
 * before them, which is recognised without parsing it again.
 */
export class LineHeader {
  type: RecordType = RecordType.OTHER;
  node: ByteText | null = null;
  /** the stamp in ms since the epoch */
  at_ms = 0;
  serial = 0;
  bodyStart = 0;
  /** this line has the node and the stamp of the line before it */
  same = false;

  readonly #names: TextCache;
  readonly #typeName = new TypeName();
  readonly #view = new ByteView();
  readonly #stamp = new Uint8Array(LONGEST_STAMP);
  readonly #stampView = new DataView(this.#stamp.buffer);
  #stampLength = 0;

  constructor(names: TextCache) {
    this.#names = names;
  }

  /** @returns what is wrong with the line, null when nothing is; fields of a wrong line mean nothing */
  read(bytes: Buffer, start: number, end: number): HeaderProblem | null {
    let at = start;
    let node: ByteText | null = null;
    if (word(bytes, at) === W_NODE && bytes[at + 4] === EQUALS) {
      const from = at + NODE_LENGTH;
      at = from;
      const limit = Math.min(end, from + LONGEST_NODE);
      while (at < limit && bytes[at] !== SPACE) at++;
      if (at === limit) return 'not-a-record';
      node = this.#names.text(bytes, from, at);
      at++;
    }
    if (word(bytes, at) !== W_TYPE || bytes[at + 4] !== EQUALS) return 'not-a-record';
    if (!this.#typeName.read(bytes, at + TYPE_LENGTH, end)) return 'not-a-record';
    at = this.#typeName.end;
    if (!isStampAt(bytes, at)) return 'bad-stamp';
    at += STAMP_LENGTH;
    const repeated = this.#repeatsStamp(bytes, at);
    if (!repeated && !this.#readStamp(bytes, at, end)) {
      this.#stampLength = 0;
      return 'bad-stamp';
    }
    at += this.#stampLength + 2;
    if (at > end) {
      this.#stampLength = 0;
      return 'bad-stamp';
    }
    if (bytes[at] === SPACE) at++;
    if (bytes[at] === SPACE) at++;
    this.bodyStart = Math.min(at, end);
    this.type = this.#typeName.type;
    this.same = repeated && node === this.node;
    this.node = node;
    return null;
  }

  #repeatsStamp(bytes: Buffer, at: number): boolean {
    const length = this.#stampLength;
    return (
      length > 0 &&
      bytes[at + length] === CLOSE &&
      bytes[at + length + 1] === COLON &&
      this.#view.equals(bytes, at, this.#stampView, length)
    );
  }

  #readStamp(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    let seconds = 0;
    for (let digit = digitAt(bytes, at); digit >= 0; digit = digitAt(bytes, ++at))
      seconds = seconds * 10 + digit;
    const secondsLength = at - start;
    if (secondsLength === 0 || secondsLength > 11 || bytes[at] !== DOT) return false;
    const hundreds = digitAt(bytes, at + 1);
    const tens = digitAt(bytes, at + 2);
    const ones = digitAt(bytes, at + 3);
    if (hundreds < 0 || tens < 0 || ones < 0 || bytes[at + 4] !== COLON) return false;
    at += 5;
    const serialStart = at;
    let serial = 0;
    for (let digit = digitAt(bytes, at); digit >= 0; digit = digitAt(bytes, ++at))
      serial = serial * 10 + digit;
    const serialLength = at - serialStart;
    if (serialLength === 0 || serialLength > 10 || serial > MAX_SERIAL) return false;
    if (bytes[at] !== CLOSE || bytes[at + 1] !== COLON || at + 2 > end) return false;
    const at_ms = seconds * 1000 + hundreds * 100 + tens * 10 + ones;
    if (at_ms > LATEST_TIME_MS) return false;
    this.at_ms = at_ms;
    this.serial = serial;
    this.#stampLength = at - start;
    for (let i = 0; i < this.#stampLength; i++) this.#stamp[i] = bytes[start + i] as number;
    return true;
  }
}

/** `msg=audit(` */
function isStampAt(bytes: Buffer, at: number): boolean {
  return (
    word(bytes, at) === W_MSG &&
    word(bytes, at + 4) === W_AUDIT &&
    bytes[at + 8] === LETTER_T &&
    bytes[at + 9] === OPEN
  );
}

function digitAt(bytes: Buffer, at: number): number {
  const digit = (bytes[at] as number) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : -1;
}
