import type { Stream } from '../../events/event.js';
import type { EventSink, Origin, ResumableReader } from '../../events/origin.js';
import { asciiJson } from '../ascii-json.js';
import { LineReader } from './line-reader.js';
import type { Line } from './lines.js';

/** A line that may have to be read again, and what was known before it. */
interface Mark {
  /** byte of the stream, as this reader counts them */
  from: number;
  sequence: number;
  context: unknown;
}

/** Lines of one stamp that together are more than this are read again in part only. */
const MAX_RUN_BYTES = 1024 * 1024;

/**
 * A line reader that another one can take over from. Equal lines of one stamp are told apart by how many came before, so
 * the next reader begins with the first line of the last stamp, or with the first line of what is held back, whichever
 * is earlier.
 */
export abstract class ResumableLineReader extends LineReader implements ResumableReader {
  #written = 0;
  /** bytes of whole lines */
  #passed = 0;
  #sequence: number;
  /** of the line at hand */
  #line: Mark;
  /** of the entry that is held back */
  #held: Mark | null = null;
  #heldLine: Line | null = null;
  /** of the first line of the last stamp */
  #run: Mark | null = null;
  #runAt: number | null = null;

  constructor(origin: Origin, sink: EventSink, stream: Stream) {
    super(origin, sink, stream);
    this.#sequence = origin.sequence_from ?? 0;
    this.#line = { from: 0, sequence: this.#sequence, context: null };
  }

  /** What is known of the stream's lines so far and matters to the next; not changed afterwards. */
  protected abstract context(): unknown;

  /** First line of what is held back. */
  protected abstract heldFrom(): Line | null;

  override write(chunk: Buffer): void {
    this.#written += chunk.length;
    super.write(chunk);
  }

  override quiet(): void {
    super.quiet();
    this.#noteHeld();
  }

  unsettled_bytes(): number {
    return this.#written - this.#settled().from;
  }

  memory(): string {
    return asciiJson(this.#settled().context);
  }

  sequence(): number {
    return this.#settled().sequence;
  }

  settled_us(): null {
    return null;
  }

  reached_us(): null {
    return null;
  }

  protected override lineBegins(): void {
    this.#line = this.#here();
  }

  protected override lineEnds(line: Line): void {
    this.#passed += line.size_bytes;
    this.#sequence++;
    this.#noteHeld();
    if (this.#run !== null && this.#passed - this.#run.from > MAX_RUN_BYTES) this.#run = null;
  }

  protected override factBegins(at: number, first: Line | undefined): void {
    if (at === this.#runAt) return;
    this.#runAt = at;
    this.#run = first !== undefined && first === this.#heldLine ? this.#held : this.#line;
  }

  #noteHeld(): void {
    const line = this.heldFrom();
    if (line === this.#heldLine) return;
    this.#heldLine = line;
    this.#held = line === null ? null : this.#line;
  }

  #settled(): Mark {
    const marks = [this.#run, this.#held].filter((mark) => mark !== null);
    return marks.reduce((earliest, mark) => (mark.from < earliest.from ? mark : earliest), this.#here());
  }

  #here(): Mark {
    return { from: this.#passed, sequence: this.#sequence, context: this.context() };
  }
}

/** Null when it was lost or changed where it was kept: then nothing is known. */
export function readContext(memory: string): Record<string, unknown> | null {
  try {
    const known: unknown = JSON.parse(memory);
    return typeof known === 'object' && known !== null ? (known as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
