import type { Event, GapKind, Stream } from '../../events/event.js';
import type { EventSink, Origin, Rejected, ResumableReader } from '../../events/origin.js';
import { gapDetected } from '../collector-event.js';
import { rejectedGap } from '../gaps.js';
import { NEWLINE } from '../line-bytes.js';
import { HELD_BACK_US, RejectedLines } from '../rejected-lines.js';
import type { LogCheckpoint, OpenHole } from './checkpoint.js';
import { Follower, type From, type Step } from './follower.js';

/** After so long without a byte nothing that is held back will be completed (auditd's end_of_event_timeout). */
const QUIET_US = 2_000_000;
/** How long what happened may take to its line, by a program that is not behind. */
const WRITING_US = 1_000_000;
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

  /** Reads a piece. Never throws: what is in the way is a problem to wait out. */
  async turn(): Promise<Turn> {
    const step = await this.#follower.next();
    switch (step.kind) {
      case 'bytes':
        this.#take(step.chunk);
        return { pace: 'busy', problem: null };
      case 'file':
        this.#reader.begin(step.path);
        return { pace: 'busy' };
      case 'begun':
        if (step.isSkipped) this.#tellSkipped();
        return { pace: 'busy' };
      case 'lost':
        this.#break(step);
        return { pace: 'busy' };
      case 'again':
        return { pace: 'soon' };
      case 'wait':
        if (step.problem === null) this.#atEnd();
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
      again_bytes: Math.max(unsettled_bytes, this.#again_bytes),
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

  #atEnd(): void {
    const now_us = this.#options.clock();
    const hasRested = now_us - this.#last_us >= QUIET_US;
    if (hasRested && !this.#isQuiet) {
      this.#isQuiet = true;
      this.#again_bytes = 0;
      this.#reader.quiet();
      this.#rejected.end(now_us);
      this.#closeHole(now_us);
    }
    if (this.#isQuiet) this.#vouchFor(now_us - QUIET_US - WRITING_US);
    else if (this.#reader.reached_us() === null) this.#vouchFor(now_us - QUIET_US - WRITING_US);
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
    this.#again_bytes = 0;
    this.#reader.end();
    this.#reader.unsettled_bytes();
    this.#reader = this.#newReader(this.#reader.sequence(), this.#reader.memory());
    this.#hole ??= { gap, from_us: this.#rejected.memory.lastEvent_us, detail };
    this.#last_us = this.#options.clock();
    this.#isQuiet = false;
  }

  #closeHole(to_us: number): void {
    if (this.#hole === null) return;
    const { gap, from_us, detail } = this.#hole;
    this.#hole = null;
    this.#tellGap(gap, from_us, to_us, detail);
  }

  #tellSkipped(): void {
    this.#tellGap('collector-down', null, this.#options.clock(), 'what the log said before was not read');
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

function linesIn(chunk: Buffer): number {
  let lines = 0;
  for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
