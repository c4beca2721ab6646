import type { ByteText } from '../../domain/byte-text.js';
import type { EventBodies, EventKind } from '../../events/event.js';
import type { EventSink, Origin } from '../../events/origin.js';
import { CARRIAGE_RETURN } from '../line-bytes.js';
import { accessDenied } from './access-denied.js';
import type { AssembledEvent } from './assembled-event.js';
import { Assembler, type AssemblySink, EVENT_TIMEOUT_MS } from './assembler.js';
import { AvcPairs } from './avc-pairs.js';
import { type AvcRecord, readAvc } from './avc-record.js';
import { ascii, matches } from './bytes.js';
import { auditdChange, configurationGap, HOST_STARTED, readFields, serviceChange } from './daemon-records.js';
import { Emitter, type Stamp } from './emitter.js';
import { ForeignRuns } from './foreign-runs.js';
import { LineHeader } from './line-header.js';
import type { LineSink } from './line-scanner.js';
import { Losses } from './losses.js';
import type { Memory } from './memory.js';
import { recordStart } from './prefix.js';
import { RecordType } from './record-type.js';
import { RelabelInterpreter } from './relabel.js';
import { SerialGaps } from './serial-gaps.js';
import { TextCache } from './text-cache.js';
import { readUserRecord } from './user-record.js';
import { virtControl, virtMachineId, virtResource } from './virt-records.js';

const NO_AVCS: readonly AvcRecord[] = [];
/** `type=S…` */
const TYPE_LENGTH = 'type='.length;
const LETTER_S = 0x53;
/** What ausearch prints between events. */
const EVENT_SEPARATOR = ascii('----');
const EVENT_TIME = ascii('time->');

/** Takes lines, sends each record where its type belongs, and hands on what comes of it. */
export class RecordRouter implements LineSink, AssemblySink {
  readonly #sink: EventSink;
  #file: string;
  readonly #texts = new TextCache();
  readonly #header = new LineHeader(this.#texts);
  readonly #assembler = new Assembler(this);
  readonly #foreignRuns = new ForeignRuns();
  readonly #relabels = new RelabelInterpreter(this.#texts);
  readonly #emitter: Emitter;
  readonly #losses: Losses;
  readonly #pairs: AvcPairs;
  readonly #serials: SerialGaps;
  #lines: number;
  #foreignLines = 0;
  #foreignBytes = 0;
  /** file offset of index 0 of the buffer of the line at hand */
  #bytesOffset = 0;
  /** the last readable stamp */
  #stampSeen = false;
  #node: ByteText | null = null;
  #at_ms = 0;
  #serial = 0;

  constructor(origin: Origin, sink: EventSink) {
    this.#sink = sink;
    this.#file = origin.file;
    this.#lines = origin.sequence_from ?? 0;
    this.#emitter = new Emitter(origin, sink);
    this.#losses = new Losses(origin, this.#emitter);
    this.#pairs = new AvcPairs(({ stamp, sequence, body, witness }) => {
      this.#emitter.emit('RelabelObserved', body, stamp, '', sequence, witness);
    });
    this.#serials = new SerialGaps((gap) => this.#losses.missingSerials(gap, this.#lines));
  }

  /** @param passed length of the file before */
  beginFile(file: string, passed: number): void {
    this.#file = file;
    this.#assembler.nextFile(passed);
  }

  /** Where the first line stands that belongs to an open event; infinite when none is open. */
  get openSince(): number {
    return this.#assembler.oldestOffset();
  }

  /** Log time since which something else waits to be told: half a pair, a hole in the serials, a loss. */
  get pendingSince_ms(): number {
    return Math.min(this.#pairs.since_ms, this.#losses.since_ms, this.#serials.since_ms);
  }

  /** Lines so far, with those of earlier readers of the stream. */
  get lines(): number {
    return this.#lines;
  }

  /** Stamp of the last line. */
  get reached_ms(): number {
    return this.#at_ms;
  }

  /** What a later reader has to know of the lines before. */
  get memory(): Memory {
    const { hasProctitles: proctitles, neighbours } = this.#assembler;
    return { proctitles, serials: this.#serials.memory, neighbours };
  }

  remember({ proctitles, serials, neighbours }: Memory): void {
    this.#assembler.remember(proctitles, neighbours);
    this.#serials.remember(serials);
  }

  quiet(): void {
    this.#assembler.end();
    this.#pairs.end();
    this.#serials.quiet();
    this.#losses.quiet(this.#lines);
    this.reportForeign();
  }

  /** The bytes given last need not be kept for what is to come. */
  endChunk(): void {
    this.#foreignRuns.release();
    this.reportForeign();
  }

  /** Counts of foreign lines are handed on in sums. */
  reportForeign(): void {
    if (this.#foreignLines === 0 && this.#foreignBytes === 0) return;
    this.#sink.foreign(this.#foreignLines, this.#foreignBytes);
    this.#foreignLines = 0;
    this.#foreignBytes = 0;
  }

  end(): void {
    this.#assembler.end();
    this.#pairs.end();
    this.#serials.end();
    this.#losses.end(this.#lines);
    this.reportForeign();
  }

  passOver(bytes: Buffer, start: number): number {
    if (!this.#assembler.isAmongForeign || bytes[start + TYPE_LENGTH] !== LETTER_S) return start;
    if (!this.#pairs.isEmpty || this.#losses.isPending) return start;
    const first = this.#serials.nextOf(null);
    if (first < 0) return start;
    const run = this.#foreignRuns.find(bytes, start, first);
    let taken = 0;
    while (taken < run.count && this.#takeForeign(first + taken, run, taken)) taken++;
    if (taken === 0) return start;
    const last = taken - 1;
    const end = run.endOf(last);
    this.foreignLines(0, end - start);
    this.#serials.observeRun(first + last, run.msOf(last));
    this.#header.read(bytes, run.startOf(last), end);
    this.#readUpTo(this.#header);
    return end;
  }

  #takeForeign(serial: number, run: ForeignRuns, index: number): boolean {
    if (!this.#assembler.passOverEvent(run.msOf(index), serial, run.hasProctitle(index))) return false;
    const lines = run.linesOf(index);
    this.#lines += lines;
    this.foreignLines(lines, 0);
    return true;
  }

  line(bytes: Buffer, start: number, end: number, bytesOffset: number): void {
    this.#lines++;
    this.#bytesOffset = bytesOffset;
    this.#assembler.bytesOffset = bytesOffset;
    const header = this.#header;
    const problem = header.read(bytes, start, end);
    if (problem !== null) {
      const from = problem === 'not-a-record' ? recordStart(bytes, start, end) : end;
      if (from < end) {
        this.foreignLines(0, from - start);
        this.#lines--;
        this.line(bytes, from, end, bytesOffset);
      } else if (isAusearchMark(bytes, start, end)) this.foreignLines(1, end - start + 1);
      else this.#unreadable(problem, bytes.subarray(start, end), bytesOffset + start);
      return;
    }
    if (!header.same) this.#stampChanged(header);
    if (header.type <= RecordType.URINGOP) this.#assembler.record(header, bytes, start, end);
    else this.#singleRecord(header, bytes, start, end);
  }

  lineTooLong(prefix: Buffer, length: number, offset: number): void {
    this.#lines++;
    this.#unreadable('line-too-long', prefix, offset);
    this.foreignLines(0, length - prefix.length);
  }

  assembled(event: AssembledEvent): void {
    const avcs = event.has(RecordType.AVC) ? this.#avcsOf(event) : NO_AVCS;
    const body = this.#relabels.read(event, avcs, this.#assembler.hasProctitles);
    let witness: Buffer | null = null;
    if (body !== null) {
      witness = event.witness();
      if (body.call === 'avc-only')
        this.#pairs.add({ stamp: stampOf(event), sequence: this.#lines, body, witness });
      else this.#emitter.emit('RelabelObserved', body, event, '', this.#lines, witness);
      if (body.missing_records.length > 0)
        this.#losses.cutEvent(event, body.missing_records, this.#lines, witness);
    }
    let denials = 0;
    for (const avc of avcs) {
      const denied = accessDenied(avc, event.serial);
      if (denied === null) continue;
      witness ??= event.witness();
      const part = denials === 0 ? 'denied' : `denied.${denials}`;
      this.#emitter.emit('AccessDenied', denied, event, part, this.#lines, witness);
      denials++;
    }
    if (witness === null) this.foreignLines(event.count, event.size());
  }

  lateRecord(bytes: Buffer, start: number, end: number): void {
    this.#reject('late-record', bytes.subarray(start, end), this.#bytesOffset + start);
  }

  surplusRecord(bytes: Buffer, start: number, end: number): void {
    this.#unreadable('too-many-records', bytes.subarray(start, end), this.#bytesOffset + start);
  }

  garbledRecord(bytes: Buffer, start: number, end: number): void {
    this.#unreadable('garbled-syscall', bytes.subarray(start, end), this.#bytesOffset + start);
  }

  headlessRecord(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    const isTold = this.#losses.headlessRecord(header, bytes.subarray(start, end), this.#lines);
    if (!isTold) this.surplusRecord(bytes, start, end);
  }

  foreignLines(lines: number, bytes: number): void {
    this.#foreignLines += lines;
    this.#foreignBytes += bytes;
  }

  #stampChanged(header: LineHeader): void {
    const { node, at_ms, serial } = header;
    if (header.type < RecordType.DAEMON_START) this.#serials.observe(node, serial, at_ms);
    this.#assembler.stampChanged(header);
    if (!this.#pairs.isEmpty) this.#pairs.flushBefore(at_ms - 2 * EVENT_TIMEOUT_MS);
    if (this.#losses.isPending) this.#losses.reached(header, this.#lines);
    this.#readUpTo(header);
  }

  #readUpTo({ node, at_ms, serial }: LineHeader): void {
    this.#stampSeen = true;
    this.#node = node;
    this.#at_ms = at_ms;
    this.#serial = serial;
  }

  /** Records that say all they have to say in one line. */
  #singleRecord(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    const { type } = header;
    if (type === RecordType.CONFIG_CHANGE) this.#configurationRecord(header, bytes, start, end);
    else if (type >= RecordType.DAEMON_START) this.#auditdRecord(header, bytes, start, end);
    else this.#userRecord(header, bytes, start, end);
  }

  #userRecord(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    const record = readUserRecord(bytes, header.bodyStart, end, this.#texts);
    if (record === null) {
      this.#unreadable('unterminated-message', bytes.subarray(start, end), this.#bytesOffset + start);
      return;
    }
    switch (header.type) {
      case RecordType.VIRT_CONTROL: {
        const control = virtControl(record, header.serial);
        if (control === null) this.#assembler.passOver(header, start, end);
        else this.#emitLine(control.kind, control.body, header, bytes, start, end);
        return;
      }
      case RecordType.VIRT_MACHINE_ID:
        this.#emitLine('GuestLabelAssigned', virtMachineId(record, header.serial), header, bytes, start, end);
        return;
      case RecordType.VIRT_RESOURCE:
        this.#emitLine('ImageAssigned', virtResource(record, header.serial), header, bytes, start, end);
        return;
      case RecordType.SYSTEM_BOOT:
        this.#emitLine('DaemonChanged', HOST_STARTED, header, bytes, start, end);
        return;
      default:
        this.#emitLine('DaemonChanged', serviceChange(record, header.type), header, bytes, start, end);
    }
  }

  #auditdRecord(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    if (header.type === RecordType.DAEMON_OTHER) {
      this.foreignLines(1, end - start + 1);
      return;
    }
    if (header.type === RecordType.DAEMON_START) this.#serials.daemonStarted(header.node);
    const fields = readFields(bytes, header.bodyStart, end, this.#texts);
    const change = auditdChange(fields, header.type);
    const witness = bytes.subarray(start, end);
    this.#emitter.emit('DaemonChanged', change, header, 'auditd', this.#lines, witness);
  }

  #configurationRecord(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    const gap = configurationGap(readFields(bytes, header.bodyStart, end, this.#texts));
    if (gap === null) {
      this.#assembler.passOver(header, start, end);
      return;
    }
    this.#assembler.markForeign(header);
    this.#losses.configurationChanged(gap, header, this.#lines, bytes.subarray(start, end));
  }

  /** @param body null when the record is none of ours */
  #emitLine<K extends EventKind>(
    kind: K,
    body: EventBodies[K] | null,
    header: LineHeader,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (body === null) {
      this.#assembler.passOver(header, start, end);
      return;
    }
    this.#assembler.markForeign(header);
    this.#emitter.emit(kind, body, header, '', this.#lines, bytes.subarray(start, end));
  }

  #avcsOf(event: AssembledEvent): AvcRecord[] {
    const avcs: AvcRecord[] = [];
    for (let i = event.find(RecordType.AVC); i >= 0; i = event.find(RecordType.AVC, i + 1)) {
      const { bytes, bodies, ends } = event;
      const avc = readAvc(bytes[i] as Buffer, bodies[i] as number, ends[i] as number, this.#texts);
      if (avc !== null) avcs.push(avc);
    }
    return avcs;
  }

  #unreadable(reason: string, line: Buffer, offset: number): void {
    const after = this.#stampSeen ? { node: this.#node, at_ms: this.#at_ms, serial: this.#serial } : null;
    this.#losses.unreadableLine(after, line, reason);
    this.#reject(reason, line, offset);
  }

  #reject(reason: string, bytes: Buffer, offset: number): void {
    this.#sink.rejected({ stream: 'audit', file: this.#file, offset, reason, bytes });
  }
}

function stampOf({ node, at_ms, serial }: Stamp): Stamp {
  return { node, at_ms, serial };
}

function isAusearchMark(bytes: Buffer, start: number, end: number): boolean {
  if (start === end || (end - start === 1 && bytes[start] === CARRIAGE_RETURN)) return true;
  return matches(bytes, start, EVENT_SEPARATOR) || matches(bytes, start, EVENT_TIME);
}
