import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import type { GapDetected, GapKind } from '../../events/event.js';
import { contentEventId } from '../../events/identity.js';
import type { Origin } from '../../events/origin.js';
import { joinedLines } from '../line-bytes.js';
import type { ConfigurationGap } from './daemon-records.js';
import { type Emitter, NO_WITNESS, type Stamp } from './emitter.js';
import { AGGREGATION_MS, type SerialGap } from './serial-gaps.js';

/** Headless events told as one gap at most. */
const MAX_HEADLESS = 256;
/** Their records, which have to fit into one event of ours as its witness. */
const MAX_HEADLESS_BYTES = 8 * 1024 * 1024;
const US_PER_MS = 1000;

interface Headless {
  first: Stamp;
  last: Stamp;
  events: number;
  lines: Buffer[];
  /** of the lines, each with a newline */
  bytes: number;
}

interface Unreadable {
  /** the last good stamp before, null at the beginning of the stream */
  after: Stamp | null;
  lines: number;
  /** the first of them and why it was rejected: enough to find the rest */
  first: Buffer;
  reason: string;
}

/** Turns what was lost into gaps, few enough to be read. */
export class Losses {
  readonly #origin: Origin;
  readonly #emitter: Emitter;
  #headless: Headless | null = null;
  #unreadable: Unreadable | null = null;

  constructor(origin: Origin, emitter: Emitter) {
    this.#origin = origin;
    this.#emitter = emitter;
  }

  /** Something waits for the log's time to pass. */
  get isPending(): boolean {
    return this.#headless !== null || this.#unreadable !== null;
  }

  /** Stamp before the first of what waits; infinite when nothing does. */
  get since_ms(): number {
    const headless_ms = this.#headless?.first.at_ms ?? Number.POSITIVE_INFINITY;
    if (this.#unreadable === null) return headless_ms;
    return Math.min(headless_ms, this.#unreadable.after?.at_ms ?? 0);
  }

  /**
   * A CWD, PATH or PROCTITLE record whose SYSCALL record was never written.
   *
   * @returns false when its event has more of them than can be told
   */
  headlessRecord(stamp: Stamp, line: Buffer, sequence: number): boolean {
    const { node, at_ms, serial } = stamp;
    const open = this.#headless;
    if (open !== null && open.last.serial === serial && open.last.node === node) {
      if (open.bytes + line.length > MAX_HEADLESS_BYTES) return false;
      addLine(open, line);
      return true;
    }
    if (open !== null && (isFull(open, line) || open.first.node !== node)) this.#flushHeadless(sequence);
    if (this.#headless === null) {
      const first = { node, at_ms, serial };
      this.#headless = { first, last: first, events: 0, lines: [], bytes: 0 };
    }
    this.#headless.last = { node, at_ms, serial };
    this.#headless.events++;
    addLine(this.#headless, line);
    return true;
  }

  /** A line that no parser could read. */
  unreadableLine(after: Stamp | null, line: Buffer, reason: string): void {
    if (this.#unreadable === null) this.#unreadable = { after, lines: 0, first: line, reason };
    this.#unreadable.lines++;
  }

  /** An event that we can use although records of it are missing. */
  cutEvent(stamp: Stamp, missing: readonly string[], sequence: number, witness: Buffer): void {
    const at = stamp.at_ms * US_PER_MS;
    const gap = gapOf('audit-cut-event', at, at, `missing: ${missing.join(' ')}`);
    gap.lost = 1;
    gap.serial_from = stamp.serial;
    gap.serial_to = stamp.serial;
    this.#emitter.emit('GapDetected', gap, stamp, 'cut', sequence, witness);
  }

  missingSerials(missing: SerialGap, sequence: number): void {
    const gap = gapOf(
      'audit-serial-gap',
      missing.after_ms * US_PER_MS,
      missing.before_ms * US_PER_MS,
      'serials that no record had',
    );
    gap.lost = missing.lost;
    gap.serial_from = missing.serial_from;
    gap.serial_to = missing.serial_to;
    const stamp = { node: missing.node, at_ms: missing.after_ms, serial: missing.serial_from };
    this.#emitter.emit('GapDetected', gap, stamp, 'serials', sequence, NO_WITNESS);
  }

  configurationChanged(change: ConfigurationGap, stamp: Stamp, sequence: number, witness: Buffer): void {
    const at = stamp.at_ms * US_PER_MS;
    const from = change.extent === 'until-here' ? null : at;
    const to = change.extent === 'from-here' ? null : at;
    const gap = gapOf(change.kind, from, to, byteTextFrom(witness));
    gap.serial_from = from === null ? null : stamp.serial;
    gap.serial_to = to === null ? null : stamp.serial;
    this.#emitter.emit('GapDetected', gap, stamp, '', sequence, witness);
  }

  /** The log has come to this stamp: what is older than the time of aggregation is told. */
  reached(stamp: Stamp, sequence: number): void {
    if (this.#headless !== null && stamp.at_ms > this.#headless.first.at_ms + AGGREGATION_MS)
      this.#flushHeadless(sequence);
    if (this.#unreadable === null) return;
    const after = this.#unreadable.after;
    if (after === null || stamp.at_ms > after.at_ms + AGGREGATION_MS) this.#flushUnreadable(stamp, sequence);
  }

  /** The log rests. Unreadable lines wait on: the next stamp tells how far they reach. */
  quiet(sequence: number): void {
    this.#flushHeadless(sequence);
  }

  end(sequence: number): void {
    this.#flushHeadless(sequence);
    this.#flushUnreadable(null, sequence);
  }

  #flushHeadless(sequence: number): void {
    const headless = this.#headless;
    if (headless === null) return;
    this.#headless = null;
    const gap = gapOf(
      'audit-cut-event',
      headless.first.at_ms * US_PER_MS,
      headless.last.at_ms * US_PER_MS,
      'records without their SYSCALL',
    );
    gap.lost = headless.events;
    gap.serial_from = headless.first.serial;
    gap.serial_to = headless.last.serial;
    this.#emitter.emit('GapDetected', gap, headless.first, 'headless', sequence, joinedLines(headless.lines));
  }

  #flushUnreadable(before: Stamp | null, sequence: number): void {
    const unreadable = this.#unreadable;
    if (unreadable === null) return;
    this.#unreadable = null;
    const { after } = unreadable;
    const gap = gapOf(
      'rejected-lines',
      after === null ? null : after.at_ms * US_PER_MS,
      before === null ? null : before.at_ms * US_PER_MS,
      `first: ${unreadable.reason}`,
    );
    gap.lost = unreadable.lines;
    gap.serial_from = after?.serial ?? null;
    gap.serial_to = before?.serial ?? null;
    const stamp = after ?? before ?? { node: null, at_ms: 0, serial: 0 };
    const { host, boot } = this.#origin;
    const id = contentEventId(host, boot, 'audit', stamp.at_ms * US_PER_MS, unreadable.first, 0);
    this.#emitter.emitAs(id, 'GapDetected', gap, stamp, sequence, NO_WITNESS);
  }
}

function isFull({ events, bytes }: Headless, next: Buffer): boolean {
  return events >= MAX_HEADLESS || bytes + next.length > MAX_HEADLESS_BYTES;
}

function addLine(headless: Headless, line: Buffer): void {
  headless.lines.push(line);
  headless.bytes += line.length + 1;
}

function gapOf(kind: GapKind, from: number | null, to: number | null, detail: ByteText): GapDetected {
  return { kind, of_stream: 'audit', from, to, lost: null, serial_from: null, serial_to: null, detail };
}
