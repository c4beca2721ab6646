import { NEWLINE } from '../line-bytes.js';

/** Longest line taken. The kernel writes at most 8970 bytes a record, auditd adds interpretations of a few hundred. */
export const MAX_LINE_BYTES = 64 * 1024;
/** What is kept of a longer one. */
export const KEPT_PREFIX_BYTES = 1024;

export interface LineSink {
  /**
   * Takes lines of a kind of which it need not see one by one.
   *
   * @param start of a line
   * @returns where the first line begins that it did not take
   */
  passOver(bytes: Buffer, start: number): number;
  /** One line without its newline: `bytes[start..end)`. Index 0 of `bytes` stands at `bytesOffset` in the file. */
  line(bytes: Buffer, start: number, end: number, bytesOffset: number): void;
  /** A line of `length` bytes at `offset` was over the limit; `prefix` is how it began. */
  lineTooLong(prefix: Buffer, length: number, offset: number): void;
}

/**
 * Cuts a byte stream into lines. Lines inside one chunk are handed on where they lie; only a line that crosses a
 * chunk border is copied. Memory held is at most one line.
 */
export class LineScanner {
  readonly #sink: LineSink;
  /** the line that the last chunk did not finish: its parts, or its length alone once it is over the limit */
  #carried: Buffer[] = [];
  #carriedBytes = 0;
  #carriedPrefix: Buffer | null = null;
  /** offsets in the file: of the next chunk, and of the line that the last chunk did not finish */
  #offset = 0;
  #carriedOffset = 0;

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  write(chunk: Buffer): void {
    let start = 0;
    if (this.#carriedBytes > 0) {
      const end = chunk.indexOf(NEWLINE);
      this.#carry(chunk, 0, end < 0 ? chunk.length : end);
      if (end >= 0) this.#finishCarried();
      start = end < 0 ? chunk.length : end + 1;
    }
    const offset = this.#offset;
    while (start < chunk.length) {
      start = this.#sink.passOver(chunk, start);
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      if (end - start > MAX_LINE_BYTES)
        this.#sink.lineTooLong(chunk.subarray(start, start + KEPT_PREFIX_BYTES), end - start, offset + start);
      else this.#sink.line(chunk, start, end, offset);
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#carriedOffset = offset + start;
      this.#carry(chunk, start, chunk.length);
    }
    this.#offset += chunk.length;
  }

  /** Bytes of the file so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Where the line begins that is not finished yet. */
  get lineOffset(): number {
    return this.#carriedBytes > 0 ? this.#carriedOffset : this.#offset;
  }

  /** The file is over: what it ended with counts as a line. The next file begins at offset 0. */
  endFile(): void {
    if (this.#carriedBytes > 0) this.#finishCarried();
    this.#offset = 0;
  }

  #carry(chunk: Buffer, start: number, end: number): void {
    if (start === end) return;
    this.#carriedBytes += end - start;
    if (this.#carriedPrefix !== null) return;
    this.#carried.push(chunk.subarray(start, end));
    if (this.#carriedBytes <= MAX_LINE_BYTES) return;
    this.#carriedPrefix = Buffer.from(Buffer.concat(this.#carried).subarray(0, KEPT_PREFIX_BYTES));
    this.#carried = [];
  }

  #finishCarried(): void {
    const length = this.#carriedBytes;
    const prefix = this.#carriedPrefix;
    const line = Buffer.concat(this.#carried);
    this.#carried = [];
    this.#carriedBytes = 0;
    this.#carriedPrefix = null;
    if (prefix === null) this.#sink.line(line, 0, length, this.#carriedOffset);
    else this.#sink.lineTooLong(prefix, length, this.#carriedOffset);
  }
}
