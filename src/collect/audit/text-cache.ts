import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import { HEX_DIGITS, NO_DIGIT } from './bytes.js';

const SLOTS = 4096;
const LONGEST_CACHED = 256;
const HASHED_BYTES = 16;

/**
 * Texts of a log repeat: the same paths, programs and labels, millions of times. This keeps the last text for each
 * hash of its bytes, so that a repeated one costs a comparison instead of an allocation. Fixed size; a collision
 * only costs a decode.
 */
export class TextCache {
  readonly #hashes = new Int32Array(SLOTS);
  readonly #written: string[] = new Array<string>(SLOTS).fill('');
  readonly #texts: ByteText[] = new Array<ByteText>(SLOTS).fill('');

  /** The bytes as they stand. */
  text(bytes: Buffer, start: number, end: number): ByteText {
    const length = end - start;
    if (length > LONGEST_CACHED) return byteTextFrom(bytes.subarray(start, end));
    const hash = hashOf(bytes, start, end, 0);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    if (this.#hashes[slot] === hash && isWritten(this.#written[slot] as string, bytes, start, length))
      return this.#texts[slot] as ByteText;
    const text = byteTextFrom(bytes.subarray(start, end));
    this.#hashes[slot] = hash;
    this.#written[slot] = bytes.toString('latin1', start, end);
    this.#texts[slot] = text;
    return text;
  }

  /** The bytes that the hex digits stand for; the digits themselves when they are no even number of hex digits. */
  hex(bytes: Buffer, start: number, end: number): ByteText {
    const length = end - start;
    if (length > LONGEST_CACHED) return decodeHex(bytes, start, end);
    const hash = hashOf(bytes, start, end, 1);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    if (this.#hashes[slot] === hash && isWritten(this.#written[slot] as string, bytes, start, length))
      return this.#texts[slot] as ByteText;
    const text = decodeHex(bytes, start, end);
    this.#hashes[slot] = hash;
    this.#written[slot] = bytes.toString('latin1', start, end);
    this.#texts[slot] = text;
    return text;
  }
}

function decodeHex(bytes: Buffer, start: number, end: number): ByteText {
  const length = end - start;
  const decoded = Buffer.allocUnsafe(length >> 1);
  for (let i = 0; i < decoded.length; i++) {
    const high = HEX_DIGITS[bytes[start + 2 * i] as number] as number;
    const low = HEX_DIGITS[bytes[start + 2 * i + 1] as number] as number;
    if (high === NO_DIGIT || low === NO_DIGIT) return byteTextFrom(bytes.subarray(start, end));
    decoded[i] = (high << 4) | low;
  }
  return length % 2 === 0 ? byteTextFrom(decoded) : byteTextFrom(bytes.subarray(start, end));
}

/**
 * Over the length and the last bytes, in which paths and contexts differ most. `kind` keeps a quoted `"DEADBEEF"` and
 * a bare one apart.
 */
function hashOf(bytes: Buffer, start: number, end: number, kind: number): number {
  let hash = ((end - start) << 1) | kind;
  for (let i = Math.max(start, end - HASHED_BYTES); i < end; i++)
    hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  return hash;
}

function isWritten(written: string, bytes: Buffer, start: number, length: number): boolean {
  if (written.length !== length) return false;
  for (let i = 0; i < length; i++) if (written.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
