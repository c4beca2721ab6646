import { CARRIAGE_RETURN, NEWLINE } from '../line-bytes.js';

/** A line longer than this is no line of ours; it is rejected and only its beginning is kept. */
export const MAX_LINE_BYTES = 64 * 1024;
const KEPT_OF_LONG_LINE_BYTES = 256;

/** One line of a stream that may go on across files. */
export interface Line {
  /** the bytes as they stood, without the newline; of a line that is too long only the beginning */
  raw: Buffer;
  /** file in which the line begins */
  file: string;
  /** byte offset of the line in that file */
  offset: number;
  /** counts over the whole stream */
  number: number;
  /** bytes of the whole line in the stream, with its newline */
  size_bytes: number;
  /** bytes of a line that is too long which `raw` does not have */
  unkept_bytes: number;
  /** why the line cannot be read: it is too long, or the stream ended inside it */
  fault: 'line-too-long' | 'unterminated-line' | null;
}

/** The bytes of a line without the carriage return that a tool from another world may have added. */
export function withoutCarriageReturn(raw: Buffer): Buffer {
  return raw.at(-1) === CARRIAGE_RETURN ? raw.subarray(0, -1) : raw;
}

/** Cuts chunks into lines, wherever the chunks are cut, in memory of one line. */
export class LineSplitter {
  private readonly onLine: (line: Line) => void;
  private file: string;
  private offset = 0;
  private lineNumber: number;
  /** the unfinished line: its parts, its length so far and where it began */
  private parts: Buffer[] = [];
  private partialBytes = 0;
  private startFile: string;
  private startOffset = 0;

  constructor(file: string, firstNumber: number, onLine: (line: Line) => void) {
    this.lineNumber = firstNumber;
    this.file = file;
    this.startFile = file;
    this.onLine = onLine;
  }

  /** The next bytes are the beginning of `file`. A line that is unfinished goes on there. */
  begin(file: string): void {
    this.file = file;
    this.offset = 0;
  }

  write(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, from);
      const to = newline === -1 ? chunk.length : newline;
      if (this.partialBytes === 0) {
        this.startFile = this.file;
        this.startOffset = this.offset;
      }
      this.keep(chunk.subarray(from, to));
      this.offset += to - from;
      if (newline === -1) return;
      this.offset++;
      this.finish(1, null);
      from = newline + 1;
    }
  }

  /** Hands on what stands after the last newline. */
  end(): void {
    if (this.partialBytes > 0) this.finish(0, 'unterminated-line');
  }

  private keep(part: Buffer): void {
    if (part.length === 0) return;
    const before = this.partialBytes;
    this.partialBytes += part.length;
    if (this.partialBytes <= MAX_LINE_BYTES) {
      this.parts.push(part);
      return;
    }
    if (before > MAX_LINE_BYTES) return;
    // Too long from here on: the beginning is copied, so that the chunks can go.
    const beginning = Buffer.concat([...this.parts, part].slice(0, KEPT_OF_LONG_LINE_BYTES));
    this.parts = [Buffer.from(beginning.subarray(0, KEPT_OF_LONG_LINE_BYTES))];
  }

  private finish(newlineBytes: 0 | 1, cut: 'unterminated-line' | null): void {
    const [first] = this.parts;
    const raw = this.parts.length === 1 && first !== undefined ? first : Buffer.concat(this.parts);
    const line: Line = {
      raw,
      // An empty line has no first part that would have noted where it began.
      file: this.partialBytes === 0 ? this.file : this.startFile,
      offset: this.partialBytes === 0 ? this.offset - newlineBytes : this.startOffset,
      number: this.lineNumber++,
      size_bytes: this.partialBytes + newlineBytes,
      unkept_bytes: this.partialBytes - raw.length,
      fault: this.partialBytes > MAX_LINE_BYTES ? 'line-too-long' : cut,
    };
    this.parts = [];
    this.partialBytes = 0;
    this.onLine(line);
  }
}
