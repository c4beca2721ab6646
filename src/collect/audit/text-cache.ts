import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import { areSame, ByteView, keep, mixed } from './byte-view.js';
import { HEX_DIGITS, NO_DIGIT } from './bytes.js';

const SLOT_BITS = 12;
const SLOTS = 1 << SLOT_BITS;
const LONGEST_CACHED = 256;
const HASHED_BYTES = 16;

/** A quoted `"DEADBEEF"` and a bare one are two texts. */
const Kind = { PLAIN: 0, HEX: 1 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

/**
 * Texts of a log repeat: the same paths, programs and labels, millions of times. This keeps the last text for each
 * hash of its bytes, so that a repeated one costs a comparison instead of an allocation. Fixed size, 1 MiB of bytes;
 * a collision only costs a decode.
 */
export class TextCache {
  readonly #view = new ByteView();
  /** of each slot: the length and the kind of what it holds, and its bytes */
  readonly #labels = new Int32Array(SLOTS).fill(-1);
  readonly #kept = new DataView(new ArrayBuffer(SLOTS * LONGEST_CACHED));
  readonly #texts: ByteText[] = new Array<ByteText>(SLOTS).fill('');

  /** The bytes as they stand. */
  text(bytes: Buffer, start: number, end: number): ByteText {
    return this.#get(bytes, start, end, Kind.PLAIN);
  }

  /** The bytes that the hex digits stand for; the digits themselves when they are no even number of hex digits. */
  hex(bytes: Buffer, start: number, end: number): ByteText {
    return this.#get(bytes, start, end, Kind.HEX);
  }

  #get(bytes: Buffer, start: number, end: number, kind: Kind): ByteText {
    const length = end - start;
    if (length > LONGEST_CACHED) return decode(bytes, start, end, kind, false);
    const view = this.#view.of(bytes);
    const label = (length << 1) | kind;
    const slot = slotOf(view, start, end, label);
    const keptAt = slot * LONGEST_CACHED;
    if (this.#labels[slot] === label && areSame(view, start, this.#kept, keptAt, length))
      return this.#texts[slot] as ByteText;
    const isAscii = keep(view, start, length, this.#kept, keptAt);
    const text = decode(bytes, start, end, kind, isAscii);
    this.#labels[slot] = label;
    this.#texts[slot] = text;
    return text;
  }
}

function decode(bytes: Buffer, start: number, end: number, kind: Kind, isAscii: boolean): ByteText {
  if (kind === Kind.HEX) return decodeHex(bytes, start, end);
  return isAscii ? bytes.toString('latin1', start, end) : byteTextFrom(bytes.subarray(start, end));
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

/** Over the length, the kind and the last bytes, in which paths and contexts differ most. */
function slotOf(view: DataView, start: number, end: number, label: number): number {
  let hash = label;
  let at = Math.max(start, end - HASHED_BYTES);
  for (; at + 4 <= end; at += 4) hash = mixed(hash, view.getInt32(at));
  for (; at < end; at++) hash = mixed(hash, view.getUint8(at));
  return hash >>> (32 - SLOT_BITS);
}
