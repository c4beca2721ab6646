import type { Event, GapKind, Stream } from '../../events/event.js';
import type { EventSink, Origin, Rejected, ResumableReader } from '../../events/origin.js';
import { gapDetected } from '../collector-event.js';
import { rejectedGap } from '../gaps.js';
import { linesIn } from '../line-bytes.js';
import { HELD_BACK_US, RejectedLines } from '../rejected-lines.js';
import type { LogCheckpoint, OpenHole } from './checkpoint.js';
import { Follower, type From, NO_SUCH_FILE, type Step } from './follower.js';

/** After so long without a byte nothing that is held back will be completed (auditd's end_of_event_timeout). */
export const QUIET_US = 2_000_000;
/** How long what happened may take to its line, by a program that is not behind. */
export const WRITING_US = 1_000_000;
/** Stamps of neighbouring lines, written from several CPUs, step back by milliseconds. */
const OUT_OF_ORDER_US = 100_000;
/** Rejected lines in a log that says nothing of ours are told after so much of its time. */
const STRETCH_US_MAX = 60_000_000;

export interface LogOptions {
  stream: Stream;
  path: string;
  /** where to begin with a log that was never read */
  from: From;
  place: { cluster: string; host: string };
  /** @param memory of the reader that read the stream before */
  reader(origin: Origin, sink: EventSink, memory: string): ResumableReader;
  /** µs since the epoch */
  clock: () => number;
}

/** For counting. */
export interface LogCounts {
  read(lines: number, bytes: number): void;
  foreign(lines: number): void;
  rejected(reason: string): void;
}

export interface Turn {
  /** `busy`: there is more; `soon`: there may be; `idle`: not for now */
  pace: 'busy' | 'soon' | 'idle';
  /** what is in the way; null: nothing; left out where this turn does not tell */
  problem?: string | null;
  /** reading began, and not with everything that is there */
  isSkipped?: boolean;
}

const UNKNOWN_PAST: OpenHole = {
  gap: 'file-truncated',
  from_us: null,
  detail: 'how far the log was read is not known any more',
};

/**
 * A log, its reader, and what both leave in the dark. Boot is null in the events, as in those of a replay: a log tells
 * nothing of it, and the same line has to be the same event whoever reads it.
 */
export class FollowedLog {
  readonly #options: LogOptions;
  readonly #counts: LogCounts;
  readonly #follower: Follower;
  readonly #rejected: RejectedLines;
  readonly #sink: EventSink;
  #reader: ResumableReader;
  #events: Event[] = [];
  #hole: OpenHole | null;
  /** what was read before this process and is read again: its rejected lines have been told */
  #again_bytes: number;
  /** stamp before which nothing has to be read again, as the last process left it */
  readonly #begun_us: number | null;
  /** of the last byte, on our clock */
  #last_us: number;
  #isQuiet = false;
  #watermark_us: number | null = null;

  /**
   * @param checkpoint null for a log that was never read; `lost` when it was, and how far is not known any more:
   * everything that is there is read, for what is read twice does no harm
   */
  constructor(options: LogOptions, counts: LogCounts, checkpoint: LogCheckpoint | 'lost' | null) {
    this.#options = options;
    this.#counts = counts;
    const known = checkpoint === 'lost' ? null : checkpoint;
    const from = checkpoint === 'lost' ? 'oldest' : options.from;
    this.#follower = new Follower(options.path, from, known?.position ?? null);
    this.#hole = checkpoint === 'lost' ? UNKNOWN_PAST : (known?.hole ?? null);
    this.#again_bytes = known?.again_bytes ?? 0;
    this.#begun_us = known?.settled_us ?? null;
    this.#last_us = options.clock();
    this.#rejected = new RejectedLines(
      options.stream,
      (stretch) =>
        this.#events.push(
          rejectedGap({ ...options.place, at_us: stretch.to_us ?? options.clock() }, stretch),
        ),
      known?.rejected,
    );
    this.#sink = {
      event: (event) => this.#event(event),
      rejected: (rejected) => this.#lineRejected(rejected),
      foreign: (lines) => counts.foreign(lines),
    };
    this.#reader = this.#newReader(known?.sequence ?? 0, known?.memory ?? '');
  }

  /** Time up to which everything the log will ever say is told; null while that is not known. */
  get watermark_us(): number | null {
    return this.#watermark_us;
  }

  /** Nothing came for so long that nothing is held back any more. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** Reads a piece. Never throws: what is in the way is a problem to wait out. */
  async turn(): Promise<Turn> {
    const step = await this.#follower.next();
    switch (step.kind) {
      case 'bytes':
        this.#take(step.chunk);
        return { pace: 'busy', problem: null };
      case 'file':
        if (!step.isSame) this.#reader.begin(step.path);
        return { pace: 'busy' };
      case 'begun':
        return { pace: 'busy', isSkipped: step.isSkipped };
      case 'lost':
        this.#break(step);
        return { pace: 'busy' };
      case 'again':
        return { pace: 'soon' };
      case 'wait':
        // What is not there has at least nothing more to say of what was read.
        if (step.problem === null || step.problem === NO_SUCH_FILE) this.#atEnd(step.problem === null);
        return { pace: 'idle', problem: step.problem };
    }
  }

  /** What became known since the last call. */
  takeEvents(): Event[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Covers what `takeEvents` gave; null as long as the log was never there. */
  checkpoint(): LogCheckpoint | null {
    const unsettled_bytes = this.#reader.unsettled_bytes();
    const position = this.#follower.position(unsettled_bytes);
    if (position === null) return null;
    return {
      position,
      memory: this.#reader.memory(),
      sequence: this.#reader.sequence(),
      settled_us: this.#reader.settled_us() ?? this.#begun_us,
      again_bytes: unsettled_bytes + this.#again_bytes,
      rejected: this.#rejected.memory,
      hole: this.#hole,
    };
  }

  close(): void {
    this.#follower.close();
  }

  #take(chunk: Buffer): void {
    this.#last_us = this.#options.clock();
    this.#isQuiet = false;
    this.#counts.read(linesIn(chunk), chunk.length);
    const again = Math.min(this.#again_bytes, chunk.length);
    if (again > 0) {
      this.#reader.write(chunk.subarray(0, again));
      this.#again_bytes -= again;
    }
    if (again < chunk.length) this.#reader.write(chunk.subarray(again));
    if (this.#again_bytes === 0) this.#noteReached();
  }

  /** A log that goes on tells by its own stamps how far it has come; only when it rests does the clock. */
  #noteReached(): void {
    const reached_us = this.#reader.reached_us();
    if (reached_us === null) return;
    this.#closeHole(reached_us);
    const { open } = this.#rejected.memory;
    if (open !== null && open.from_us !== null && reached_us - open.from_us > STRETCH_US_MAX)
      this.#rejected.end(reached_us);
    this.#vouchFor(reached_us - HELD_BACK_US);
  }

  /** @param isWhole nothing else can be there */
  #atEnd(isWhole: boolean): void {
    const now_us = this.#options.clock();
    const hasRested = now_us - this.#last_us >= QUIET_US;
    if (hasRested && !this.#isQuiet) {
      this.#isQuiet = true;
      this.#again_bytes = 0;
      this.#reader.quiet();
      this.#rejected.end(now_us);
      this.#closeHole(now_us);
    }
    if (isWhole && (this.#isQuiet || this.#reader.reached_us() === null))
      this.#vouchFor(now_us - QUIET_US - WRITING_US);
  }

  #vouchFor(us: number): void {
    if (this.#hole !== null || this.#rejected.memory.open !== null) return;
    if (us > (this.#watermark_us ?? 0)) this.#watermark_us = us;
  }

  #event(event: Event): void {
    this.#events.push(event);
    if (this.#again_bytes > 0) return;
    this.#rejected.event(event.at);
    this.#closeHole(event.at + HELD_BACK_US);
  }

  #lineRejected({ reason }: Rejected): void {
    this.#counts.rejected(reason);
    if (this.#again_bytes === 0) this.#rejected.rejected();
  }

  /** Nothing of what comes continues what was read. */
  #break({ gap, detail }: Extract<Step, { kind: 'lost' }>): void {
    const from_us = this.#knownUntil_us();
    this.#again_bytes = 0;
    this.#reader.end();
    this.#reader.unsettled_bytes();
    this.#reader = this.#newReader(this.#reader.sequence(), this.#reader.memory());
    this.#hole ??= { gap, from_us, detail };
    this.#last_us = this.#options.clock();
    this.#isQuiet = false;
  }

  /** Everything earlier was told, or still will be; null when that is not known. */
  #knownUntil_us(): number | null {
    const { lastEvent_us } = this.#rejected.memory;
    if (lastEvent_us === null) return null;
    const begun_us = this.#again_bytes > 0 ? this.#begun_us : null;
    return Math.max(0, Math.min(lastEvent_us, begun_us ?? lastEvent_us) - OUT_OF_ORDER_US);
  }

  #closeHole(to_us: number): void {
    if (this.#hole === null) return;
    const { gap, from_us, detail } = this.#hole;
    this.#hole = null;
    this.#tellGap(gap, from_us, to_us, detail);
  }

  #tellGap(kind: GapKind, from: number | null, to: number, detail: string): void {
    const { place, stream } = this.#options;
    const body = {
      kind,
      of_stream: stream,
      from,
      to,
      lost: null,
      serial_from: null,
      serial_to: null,
      detail,
    };
    this.#events.push(gapDetected({ ...place, at_us: to }, body));
  }

  #newReader(sequence_from: number, memory: string): ResumableReader {
    const { place, path, reader } = this.#options;
    return reader({ ...place, boot: null, file: path, sequence_from }, this.#sink, memory);
  }
}
