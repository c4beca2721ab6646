import { isUtf8 } from 'node:buffer';

/**
 * Text out of a log, exactly as many bytes as the log had.
 *
 * File names, comm and guest names are bytes chosen by somebody else; they need not be UTF-8. A `ByteText` is a
 * JavaScript string in which every byte that is not part of valid UTF-8 stands as the lone surrogate
 * U+DC80..U+DCFF (the "surrogateescape" form), so that it compares, hashes and round-trips like a string and
 * still gives the original bytes back.
 */
export type ByteText = string;

const LONE_SURROGATE_BASE = 0xdc00;
const FIRST_ESCAPE = 0xdc80;
const LAST_ESCAPE = 0xdcff;
const ESCAPED_BYTE = /[\uDC80-\uDCFF]/;

/** Bytes to text; never fails, never loses a byte. Takes time linear in the bytes, whatever they are. */
export function byteTextFrom(bytes: Uint8Array): ByteText {
  if (!isUtf8(bytes)) return decodeWithEscapes(bytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** The original bytes of a text that `byteTextFrom` made. */
export function bytesOf(text: ByteText): Buffer {
  if (!ESCAPED_BYTE.test(text)) return Buffer.from(text, 'utf8');
  const bytes = Buffer.allocUnsafe(text.length * MAX_BYTES_PER_UNIT);
  let length = 0;
  let plainFrom = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isHighSurrogate(unit)) {
      i++; // a pair: its low half is no escape
      continue;
    }
    if (unit < FIRST_ESCAPE || unit > LAST_ESCAPE) continue;
    if (i > plainFrom) length += bytes.write(text.slice(plainFrom, i), length, 'utf8');
    bytes[length++] = unit - LONE_SURROGATE_BASE;
    plainFrom = i + 1;
  }
  length += bytes.write(text.slice(plainFrom), length, 'utf8');
  return Buffer.from(bytes.subarray(0, length));
}

/** UTF-8 needs at most three bytes for a UTF-16 unit: four for a pair. */
const MAX_BYTES_PER_UNIT = 3;

/** Writes UTF-16, of which no byte needs more than one unit, and makes one string of it at the end. */
function decodeWithEscapes(bytes: Uint8Array): ByteText {
  const utf16 = Buffer.allocUnsafe(bytes.length * 2);
  let length = 0;
  const put = (unit: number) => {
    utf16[length++] = unit;
    utf16[length++] = unit >> 8;
  };
  for (let i = 0; i < bytes.length; ) {
    const first = bytes[i] as number;
    const sequence = sequenceLength(bytes, i);
    if (sequence === 0) put(LONE_SURROGATE_BASE + first);
    else if (sequence === 1) put(first);
    else {
      const point = codePointAt(bytes, i, sequence);
      if (point > 0xffff) put(0xd7c0 + (point >> 10));
      put(point > 0xffff ? LONE_SURROGATE_BASE | (point & 0x3ff) : point);
    }
    i += Math.max(1, sequence);
  }
  return utf16.toString('utf16le', 0, length);
}

/** The character of a valid sequence of two to four bytes. */
function codePointAt(bytes: Uint8Array, start: number, length: number): number {
  let point = (bytes[start] as number) & (0x7f >> length);
  for (let i = start + 1; i < start + length; i++) point = (point << 6) | ((bytes[i] as number) & 0x3f);
  return point;
}

/** Length of the valid UTF-8 sequence at `i`, 0 when there is none (RFC 3629, table 3-7 of Unicode). */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i] as number;
  if (first < 0x80) return 1;
  const second = bytes[i + 1] ?? 0;
  if (first >= 0xc2 && first <= 0xdf) return isContinuation(second) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const low = first === 0xe0 ? 0xa0 : 0x80;
    const high = first === 0xed ? 0x9f : 0xbf;
    return second >= low && second <= high && isContinuation(bytes[i + 2] ?? 0) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const low = first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xf4 ? 0x8f : 0xbf;
    const inRange = second >= low && second <= high;
    return inRange && isContinuation(bytes[i + 2] ?? 0) && isContinuation(bytes[i + 3] ?? 0) ? 4 : 0;
  }
  return 0;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/**
 * What must never reach a terminal, a page or a pager as itself: controls, direction marks, tags and whatever else
 * shows nothing, blanks that are no space, private characters (each font has its own), escaped bytes.
 */
const UNPRINTABLE = /(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Z}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * Text that shows the same everywhere and does nothing: hostile characters become `\xNN` or `\u{N}`, long text is
 * cut in the middle so that both its ends stay visible.
 *
 * @param limit UTF-16 units to show at most; the full text always stands in the JSON output
 */
export function printable(text: ByteText, limit = 400): string {
  const shown = text.replace(UNPRINTABLE, escaped);
  if (shown.length <= limit) return shown;
  const half = Math.floor((limit - 1) / 2);
  return `${headOf(shown, half)}…${tailOf(shown, half)}`;
}

/** The first units, less half a character. */
function headOf(text: string, length: number): string {
  return text.slice(0, isHighSurrogate(text.charCodeAt(length - 1)) ? length - 1 : length);
}

/** The last units, less half a character. */
function tailOf(text: string, length: number): string {
  const from = text.length - length;
  return text.slice(isHighSurrogate(text.charCodeAt(from - 1)) ? from + 1 : from);
}

function escaped(character: string): string {
  const point = character.codePointAt(0) as number;
  const isByte = point >= FIRST_ESCAPE && point <= LAST_ESCAPE;
  const code = isByte ? point - LONE_SURROGATE_BASE : point;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}
