import type { EventSink, Origin, ResumableReader } from '../../events/origin.js';
import { LineScanner } from './line-scanner.js';
import { type Memory, readMemory, writeMemory } from './memory.js';
import { RecordRouter } from './record-router.js';

/** A place between two lines at which another reader can take over once everything before it is handed on. */
interface Boundary {
  /** in the file at hand; negative in one before */
  offset: number;
  /** stamp of the last line before */
  reached_ms: number;
  /** lines before it */
  lines: number;
  /** nothing waited to be told here that will be told differently when it is read from here on */
  clean: boolean;
  memory: Memory;
}

/** So far behind, a hole may rather be told twice, as a whole and in part, than all be read again. */
const MAX_UNSETTLED_BYTES = 4 * 1024 * 1024;
/** More than a reader ever waits behind in a log that advances; past it every second one is given up. */
const MAX_BOUNDARIES = 256;

/**
 * Reads audit records as auditd writes them (RAW, ENRICHED, with or without `node=`), as its plugins receive them and
 * as `ausearch --raw` prints them, and states what they say about labels and guests.
 *
 * Every line is accounted for once, with its newline (a last line without one counts as if it had one): as part of a
 * witness, as rejected, or as foreign. Of a line over 64 KiB the first KiB is rejected and the rest counted among the
 * foreign bytes. Facts of one audit event share their witness; gaps in serials have none.
 */
export class AuditReader implements ResumableReader {
  readonly #router: RecordRouter;
  readonly #scanner: LineScanner;
  /** oldest first; the first is the last one that is settled */
  #boundaries: Boundary[];

  /** @param memory of the reader that read the stream before; what cannot be read of it is not known */
  constructor(origin: Origin, sink: EventSink, memory = '') {
    this.#router = new RecordRouter(origin, sink);
    this.#scanner = new LineScanner(this.#router);
    const known = readMemory(memory);
    if (known !== null) this.#router.remember(known);
    const { memory: begun, lines } = this.#router;
    this.#boundaries = [{ offset: 0, reached_ms: 0, lines, clean: true, memory: begun }];
  }

  begin(file: string): void {
    const length = this.#scanner.offset;
    this.#scanner.endFile();
    this.#router.beginFile(file, length);
    for (const boundary of this.#boundaries) boundary.offset -= length;
  }

  write(chunk: Buffer): void {
    this.#scanner.write(chunk);
    this.#router.reportForeign();
  }

  quiet(): void {
    this.#router.quiet();
  }

  end(): void {
    this.#scanner.endFile();
    this.#router.end();
  }

  unsettled_bytes(): number {
    const { offset, lineOffset } = this.#scanner;
    const { openSince, pendingSince_ms, reached_ms, lines, memory } = this.#router;
    const clean = pendingSince_ms === Number.POSITIVE_INFINITY;
    this.#boundaries.push({ offset: lineOffset, reached_ms, lines, clean, memory });
    const settled = this.#boundaries.findLastIndex(
      (each) =>
        each.offset <= openSince &&
        each.reached_ms < pendingSince_ms &&
        (each.clean || offset - (this.#boundaries[0] as Boundary).offset > MAX_UNSETTLED_BYTES),
    );
    if (settled > 0) this.#boundaries.splice(0, settled);
    if (this.#boundaries.length > MAX_BOUNDARIES)
      this.#boundaries = this.#boundaries.filter((_, index) => index % 2 === 0);
    return offset - (this.#boundaries[0] as Boundary).offset;
  }

  memory(): string {
    return writeMemory((this.#boundaries[0] as Boundary).memory);
  }

  sequence(): number {
    return (this.#boundaries[0] as Boundary).lines;
  }

  settled_us(): number | null {
    return stampUs((this.#boundaries[0] as Boundary).reached_ms);
  }

  reached_us(): number | null {
    return stampUs(this.#router.reached_ms);
  }
}

/** Null for no stamp at all. */
function stampUs(ms: number): number | null {
  return ms === 0 ? null : ms * 1000;
}
