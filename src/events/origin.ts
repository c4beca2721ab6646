import type { Event, Stream } from './event.js';

/** Where the lines that a reader is given come from. */
export interface Origin {
  cluster: string;
  host: string;
  boot: string | null;
  /** path for messages */
  file: string;
  /** where the sequence of the events begins, for a stream that several readers read one after the other; else 0 */
  sequence_from?: number;
}

/** Why some bytes became no event. */
export interface Rejected {
  stream: Stream;
  file: string;
  /** byte offset of the line in its file */
  offset: number;
  /** stable, for counting: `bad-stamp`, `line-too-long`, `unterminated-quote` … */
  reason: string;
  bytes: Buffer;
}

/** What a reader hands on. Every byte it is given ends in exactly one of the three. */
export interface EventSink {
  event(event: Event): void;
  rejected(rejected: Rejected): void;
  /** well-formed lines that are none of our business */
  foreign(lines: number, bytes: number): void;
}

/** A reader turns one stream, given in chunks cut anywhere, into events. */
export interface Reader {
  /**
   * What follows comes from this file. A stream may go on across files (rotation), so nothing is flushed.
   * Without a call the file is the origin's.
   */
  begin(file: string): void;
  /**
   * The reader may keep parts of `chunk` (witnesses are slices of it), so the caller must not write to that memory
   * again. Whoever keeps an event for long should copy its witness, lest it hold the whole chunk.
   */
  write(chunk: Buffer): void;
  /** Nothing has come for a while: hands on what was held only because more of it might follow. A cut line stays. */
  quiet(): void;
  /** No more bytes: what is unfinished is handed on as unfinished. */
  end(): void;
}

/** A reader whose work another one can take up, after this process has ended. */
export interface ResumableReader extends Reader {
  /**
   * Bytes at the end of what was written of which something is not handed on yet: they have to be read again. More
   * than were written of the present file when it begins in the one before.
   */
  unsettled_bytes(): number;
  /** What the next reader of the stream is given to know, as it stands where those bytes begin; printable ASCII. */
  memory(): string;
  /** Lines of the stream before those bytes: the `sequence_from` of the next reader. */
  sequence(): number;
  /** Stamp of the last line before those bytes, µs; null as for `reached_us`. */
  settled_us(): number | null;
  /** Stamp of the last line, µs; null when there was none, or the stream's lines tell no more than the clock does. */
  reached_us(): number | null;
}
