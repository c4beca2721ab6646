const NO_VIEW = new DataView(new ArrayBuffer(0));
/** 2^32 / golden ratio, odd: multiplying by it carries every bit upwards */
const SPREAD = 0x9e3779b1;
const HIGH_BITS = 0x80808080;
const HIGH_BIT = 0x80;

/**
 * A window on the chunk at hand that reads four bytes at a time, which V8 does several times faster than byte by
 * byte. It is made once for each chunk.
 */
export class ByteView {
  #bytes: Uint8Array | null = null;
  #view: DataView = NO_VIEW;

  of(bytes: Uint8Array): DataView {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return this.#view;
  }
}

/** `length` bytes of the one are those of the other. Past the end of `view` there are none; `kept` must hold them. */
export function areSame(
  view: DataView,
  start: number,
  kept: DataView,
  keptStart: number,
  length: number,
): boolean {
  if (start + length > view.byteLength) return false;
  let i = 0;
  for (; i + 4 <= length; i += 4) if (view.getInt32(start + i) !== kept.getInt32(keptStart + i)) return false;
  for (; i < length; i++) if (view.getUint8(start + i) !== kept.getUint8(keptStart + i)) return false;
  return true;
}

/** Copies to where they are compared later. Both must hold `length` bytes. @returns whether all are ASCII */
export function keep(
  view: DataView,
  start: number,
  length: number,
  kept: DataView,
  keptStart: number,
): boolean {
  let all = 0;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const four = view.getInt32(start + i);
    kept.setInt32(keptStart + i, four);
    all |= four & HIGH_BITS;
  }
  for (; i < length; i++) {
    const one = view.getUint8(start + i);
    kept.setUint8(keptStart + i, one);
    all |= one & HIGH_BIT;
  }
  return all === 0;
}

/** A hash with four more bytes in it; its upper bits are the ones to use. */
export function mixed(hash: number, four: number): number {
  return Math.imul(hash ^ four, SPREAD);
}
