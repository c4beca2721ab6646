import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import { ByteView, copied, NO_BYTES } from './byte-view.js';
import { HEX_DIGITS, NO_DIGIT } from './bytes.js';

const SLOTS = 4096;
const LONGEST_CACHED = 256;
const HASHED_BYTES = 16;
const UNCACHED = 0x7fffffff;

/** Part of the hash: a quoted `"DEADBEEF"` and a bare one are two texts. */
const Kind = { PLAIN: 0, HEX: 1 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/**
 * Texts of a log repeat: the same paths, programs and labels, millions of times. This keeps the last text for each
 * hash of its bytes, so that a repeated one costs a comparison instead of an allocation. Fixed size; a collision
 * only costs a decode.
 */
export class TextCache {
  readonly #hashes = new Int32Array(SLOTS);
  readonly #lengths = new Int32Array(SLOTS).fill(-1);
  readonly #written: DataView[] = new Array<DataView>(SLOTS).fill(NO_BYTES);
  readonly #texts: ByteText[] = new Array<ByteText>(SLOTS).fill('');
  readonly #view = new ByteView();

  /** The bytes as they stand. */
  text(bytes: Buffer, start: number, end: number): ByteText {
    const slot = this.#slotOf(bytes, start, end, Kind.PLAIN);
    if (slot === UNCACHED) return byteTextFrom(bytes.subarray(start, end));
    if (slot >= 0) return this.#texts[slot] as ByteText;
    return this.#keep(~slot, byteTextFrom(bytes.subarray(start, end)), bytes, start, end);
  }

  /** The bytes that the hex digits stand for; the digits themselves when they are no even number of hex digits. */
  hex(bytes: Buffer, start: number, end: number): ByteText {
    const slot = this.#slotOf(bytes, start, end, Kind.HEX);
    if (slot === UNCACHED) return decodeHex(bytes, start, end);
    if (slot >= 0) return this.#texts[slot] as ByteText;
    return this.#keep(~slot, decodeHex(bytes, start, end), bytes, start, end);
  }

  /** @returns the slot that holds these bytes; its complement when it holds others; `UNCACHED` for long ones */
  #slotOf(bytes: Buffer, start: number, end: number, kind: Kind): number {
    const length = end - start;
    if (length > LONGEST_CACHED) return UNCACHED;
    const hash = hashOf(bytes, start, end, kind);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const isSame =
      this.#hashes[slot] === hash &&
      this.#lengths[slot] === length &&
      this.#view.equals(bytes, start, this.#written[slot] as DataView, length);
    if (isSame) return slot;
    this.#hashes[slot] = hash;
    this.#lengths[slot] = length;
    return ~slot;
  }

  #keep(slot: number, text: ByteText, bytes: Buffer, start: number, end: number): ByteText {
    this.#written[slot] = copied(bytes, start, end);
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

/** Over the length and the last bytes, in which paths and contexts differ most. */
function hashOf(bytes: Buffer, start: number, end: number, kind: Kind): number {
  let hash = ((end - start) << 1) | kind;
  for (let i = Math.max(start, end - HASHED_BYTES); i < end; i++)
    hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  return hash;
}
