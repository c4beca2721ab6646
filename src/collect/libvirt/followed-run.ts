import { printable } from '../../domain/byte-text.js';
import type { Event, GapDetected } from '../../events/event.js';
import type { EventSink, Reader } from '../../events/origin.js';
import { gapDetected } from '../collector-event.js';
import { NEWLINE } from '../line-bytes.js';
import { type Ending, Program } from '../process/program.js';
import type { SourceOutput } from '../source.js';
import type { EventCheckpoint } from './event-checkpoint.js';
import type { FollowedEvents } from './follow-events.js';
import { changesGuests } from './resolve-names.js';

/** A hole that is open until virsh is connected again. */
export interface Missed {
  kind: 'collector-down' | 'event-stream-ended';
  /** µs; null: nothing was ever seen */
  from_us: number | null;
  detail: string;
}

/** virsh registers for its events right after it has said where it is connected. */
const REGISTRATION_US = 500_000;
const CONNECT_TIMEOUT_US = 60_000_000;
const END_GRACE_MS = 2_000;
const FIRST_LINE_BYTES_MAX = 4096;
/** What may be continued is handed on after this time without a line. */
const HELD_WAIT_MS = 200;
const IDLE_WAIT_MS = 1_000;
/** A collector that is killed has a gap that begins at most this long before. */
const CHECKPOINT_EVERY_US = 10_000_000;
/** Events are lost a little before virsh says that its connection is. */
const END_NOTICED_US = 1_000_000;
/** virsh asks a silent daemon every 5 s, and gives it up after 6 questions without an answer. */
const KEEPALIVE_US = 40_000_000;

/** One run of virsh, from its start to its end. */
export class FollowedRun {
  private readonly options: FollowedEvents;
  private readonly output: SourceOutput;
  private readonly kept: EventCheckpoint;
  private readonly missed: Missed | null;
  private readonly reader: Reader;
  private readonly started_us: number;
  private connected_us: number | null = null;
  private firstLine: Buffer = Buffer.alloc(0);
  /** virsh is registered for its events, and that is known to whoever reads facts */
  private isRegistered = false;
  /** nothing was printed since everything before was handed on */
  private isQuiet = false;
  /** everything that was printed up to then is handed on, µs */
  private drained_us: number | null = null;
  private batch: Event[] = [];
  private lastEvent_us: number | null = null;
  private rejectedLines = 0;
  private trailer = '';

  constructor(options: FollowedEvents, output: SourceOutput, kept: EventCheckpoint, missed: Missed | null) {
    this.options = options;
    this.output = output;
    this.kept = kept;
    this.missed = missed;
    this.started_us = options.clock.now_us();
    const { cluster, host, boot, name } = options;
    this.reader = options.reader({ cluster, host, boot, file: name }, this.sink());
    options.names?.forget();
  }

  async run(signal: AbortSignal): Promise<Ending> {
    const program = new Program(this.options.program, this.options.args);
    for (;;) {
      const chunk = await program.next(this.isQuiet ? IDLE_WAIT_MS : HELD_WAIT_MS, signal);
      if (chunk === null) break;
      if (chunk === 'quiet') await this.quiet(signal);
      else await this.take(chunk, signal);
      if (signal.aborted) break;
      if (this.connected_us === null && this.ranFor_us() > CONNECT_TIMEOUT_US) {
        await program.stop();
        return { exit: null, said: '', failure: 'libvirt does not answer' };
      }
    }
    const ending = signal.aborted ? await program.stop() : await program.finish(END_GRACE_MS);
    this.reader.end();
    this.tellRejected(this.options.clock.now_us());
    await this.handOn(signal);
    const told_us = this.watermark_us();
    if (told_us !== null) this.kept.seen_us = Math.max(told_us, this.kept.seen_us ?? told_us);
    return ending;
  }

  ranFor_us(): number {
    return this.options.clock.now_us() - this.started_us;
  }

  /** Lines come in the order of their times, so a pipe that is never empty still tells how far it has been read. */
  watermark_us(): number | null {
    if (this.drained_us === null) return null;
    const read_us = Math.min(this.lastEvent_us ?? 0, this.options.clock.now_us());
    return Math.max(this.drained_us, read_us) - this.options.delay_us;
  }

  /** What goes by unseen from the end on; what did before, when virsh never got as far as its events. */
  missedAfter({ failure, said }: Ending): Missed | null {
    if (this.connected_us === null) return this.missed;
    const silent_us = /keepalive/.test(`${failure} ${said}`) ? KEEPALIVE_US : 0;
    const from_us = this.options.clock.now_us() - END_NOTICED_US - silent_us;
    const detail = [this.trailer, failure ?? said].filter((text) => text !== '').join(': ');
    this.kept.seen_us = from_us;
    return { kind: 'event-stream-ended', from_us, detail: detail || 'virsh ended' };
  }

  private async take(chunk: Buffer, signal: AbortSignal): Promise<void> {
    this.isQuiet = false;
    const rest = this.connected_us === null ? this.connect(chunk) : chunk;
    if (rest.length > 0) {
      this.output.read(newlinesIn(rest), rest.length);
      this.reader.write(rest);
    }
    await this.handOn(signal);
  }

  /** Takes the line off that says where virsh is connected. */
  private connect(chunk: Buffer): Buffer {
    this.firstLine = Buffer.concat([this.firstLine, chunk]);
    const newline = this.firstLine.indexOf(NEWLINE);
    if (newline === -1 && this.firstLine.length <= FIRST_LINE_BYTES_MAX) return Buffer.alloc(0);
    this.connected_us = this.options.clock.now_us();
    this.output.up();
    if (this.missed !== null) {
      const { kind, from_us, detail } = this.missed;
      const to = this.connected_us + REGISTRATION_US;
      // a clock that was set back meanwhile leaves no time in between
      const from = from_us === null ? null : Math.min(from_us, to);
      this.gap({ kind, from, to, lost: null, detail });
    }
    return this.firstLine.subarray(newline + 1);
  }

  /** Nothing came for a while. */
  private async quiet(signal: AbortSignal): Promise<void> {
    if (this.connected_us === null) return;
    const now_us = this.options.clock.now_us();
    this.reader.quiet();
    this.tellRejected(now_us);
    await this.handOn(signal);
    if (now_us - this.connected_us < REGISTRATION_US) return;
    if (!this.isRegistered) this.options.onFollowed();
    this.isRegistered = true;
    this.isQuiet = true;
    this.drained_us = now_us;
    if (now_us - (this.kept.seen_us ?? 0) < CHECKPOINT_EVERY_US) return;
    this.kept.seen_us = now_us - END_NOTICED_US;
    await this.output.emit([], this.kept.buffer());
  }

  /** Gives everything that was read so far to the collector. */
  private async handOn(signal: AbortSignal): Promise<void> {
    if (this.batch.length === 0) return;
    const { names, stream, clock, onGuestsChanged } = this.options;
    const batch = this.batch;
    this.batch = [];
    this.kept.seen_us = clock.now_us() - END_NOTICED_US;
    const named = names === null ? batch : await names.resolved(batch, signal);
    const events = named.map((event) =>
      event.stream === stream ? { ...event, sequence: this.kept.sequence++ } : event,
    );
    await this.output.emit(events, this.kept.buffer());
    if (events.some(changesGuests)) onGuestsChanged();
  }

  private sink(): EventSink {
    return {
      event: (event) => {
        // the reader knows where the hole begins and not where it ends
        if (event.kind === 'GapDetected') {
          this.trailer = printable(event.body.detail);
          return;
        }
        this.tellRejected(event.at);
        this.lastEvent_us = event.at;
        this.batch.push(event);
      },
      rejected: ({ reason }) => {
        if (reason === 'trailer-before-any-event') return;
        this.output.rejected(reason);
        this.rejectedLines++;
      },
      foreign: (lines) => {
        if (lines > 0) this.output.foreign(lines);
      },
    };
  }

  /** Lines that nobody understood since the last event may have been events. */
  private tellRejected(until_us: number): void {
    const lost = this.rejectedLines;
    if (lost === 0) return;
    this.rejectedLines = 0;
    const from = this.lastEvent_us ?? this.connected_us;
    const detail = `${lost} line${lost === 1 ? '' : 's'} could not be read`;
    this.gap({ kind: 'rejected-lines', from, to: Math.max(until_us, from ?? 0), lost, detail });
  }

  private gap(hole: Pick<GapDetected, 'kind' | 'from' | 'to' | 'lost' | 'detail'>): void {
    const { cluster, host, stream, clock } = this.options;
    const place = { cluster, host, at_us: clock.now_us() };
    this.batch.push(gapDetected(place, { ...hole, of_stream: stream, serial_from: null, serial_to: null }));
  }
}

function newlinesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
