export const NO_BYTES = new DataView(new ArrayBuffer(0));

/**
 * Compares parts of a chunk four bytes at a time, which V8 does several times faster than byte by byte. The view of
 * the chunk at hand is made once.
 */
export class ByteView {
  #bytes: Uint8Array | null = null;
  #view: DataView = NO_BYTES;

  /** The bytes from `start` on are exactly those of `expected`, which is `length` bytes long. */
  equals(bytes: Uint8Array, start: number, expected: DataView, length: number): boolean {
    if (start + length > bytes.length) return false;
    const view = this.#of(bytes);
    let i = 0;
    for (; i + 4 <= length; i += 4) if (view.getInt32(start + i) !== expected.getInt32(i)) return false;
    for (; i < length; i++) if (view.getUint8(start + i) !== expected.getUint8(i)) return false;
    return true;
  }

  #of(bytes: Uint8Array): DataView {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return this.#view;
  }
}

/** A copy of the bytes, to compare with later. */
export function copied(bytes: Uint8Array, start: number, end: number): DataView {
  return new DataView(new Uint8Array(bytes.subarray(start, end)).buffer);
}
