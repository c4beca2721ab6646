import type { ByteText } from '../../domain/byte-text.js';
import { LATEST_TIME_US } from '../../domain/time.js';
import { areSame, ByteView, keep } from './byte-view.js';
import { COLON, EQUALS, SPACE, word, wordOf, ZERO } from './bytes.js';
import { RecordType, TypeName } from './record-type.js';
import type { TextCache } from './text-cache.js';

const NODE_LENGTH = 'node='.length;
const W_NODE = wordOf('node');
const W_TYPE = wordOf('type');
const TYPE_LENGTH = 'type='.length;
const W_MSG = wordOf('msg=');
const W_AUDIT = wordOf('audi');
const MSG_LENGTH = 'msg='.length;
const AUDIT_LENGTH = 'audit('.length;
const LETTER_T = 0x74;
const OPEN = 0x28;
const DOT = 0x2e;
const CLOSE = 0x29;
const LONGEST_NODE = 256;
/** `msg=audit(`, eleven digits of seconds, three of ms, ten of the serial, `):`, and room */
const LONGEST_STAMP = 64;
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
  /** of the line before, from `msg=` to its last colon; of length 0 when that had none */
  readonly #stamp = new DataView(new ArrayBuffer(LONGEST_STAMP));
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
    const view = this.#view.of(bytes);
    const repeated = this.#stampLength > 0 && areSame(view, at, this.#stamp, 0, this.#stampLength);
    if (!repeated) {
      if (!isStampAt(bytes, at)) return 'bad-stamp';
      const length = this.#readStamp(bytes, at, end);
      this.#stampLength = length;
      if (length === 0) return 'bad-stamp';
      keep(view, at, length, this.#stamp, 0);
    }
    at += this.#stampLength;
    if (bytes[at] === SPACE) at++;
    if (bytes[at] === SPACE) at++;
    this.bodyStart = Math.min(at, end);
    this.type = this.#typeName.type;
    this.same = repeated && node === this.node;
    this.node = node;
    return null;
  }

  /** @returns length of the stamp with what stands around it; 0 when it is none */
  #readStamp(bytes: Buffer, start: number, end: number): number {
    let at = start + (word(bytes, start) === W_MSG ? MSG_LENGTH : 0) + AUDIT_LENGTH;
    const secondsStart = at;
    let seconds = 0;
    for (let digit = digitAt(bytes, at); digit >= 0; digit = digitAt(bytes, ++at))
      seconds = seconds * 10 + digit;
    const secondsLength = at - secondsStart;
    if (secondsLength === 0 || secondsLength > 11 || bytes[at] !== DOT) return 0;
    const hundreds = digitAt(bytes, at + 1);
    const tens = digitAt(bytes, at + 2);
    const ones = digitAt(bytes, at + 3);
    if (hundreds < 0 || tens < 0 || ones < 0 || bytes[at + 4] !== COLON) return 0;
    at += 5;
    const serialStart = at;
    let serial = 0;
    for (let digit = digitAt(bytes, at); digit >= 0; digit = digitAt(bytes, ++at))
      serial = serial * 10 + digit;
    const serialLength = at - serialStart;
    if (serialLength === 0 || serialLength > 10 || serial > MAX_SERIAL) return 0;
    if (bytes[at] !== CLOSE || bytes[at + 1] !== COLON || at + 2 > end) return 0;
    const at_ms = seconds * 1000 + hundreds * 100 + tens * 10 + ones;
    if (at_ms > LATEST_TIME_MS) return 0;
    this.at_ms = at_ms;
    this.serial = serial;
    return at + 2 - start;
  }
}

/** `msg=audit(`; the kernel itself writes `audit(` */
function isStampAt(bytes: Buffer, start: number): boolean {
  const at = word(bytes, start) === W_MSG ? start + MSG_LENGTH : start;
  return word(bytes, at) === W_AUDIT && bytes[at + 4] === LETTER_T && bytes[at + 5] === OPEN;
}

function digitAt(bytes: Buffer, at: number): number {
  const digit = (bytes[at] as number) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : -1;
}
