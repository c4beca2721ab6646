import { getOrMake } from '../../domain/group.js';
import { AssembledEvent } from './assembled-event.js';
import { Gate, gateOf } from './gate.js';
import type { LineHeader } from './line-header.js';
import { Fate, type PastEvent, RecentEvents } from './recent-events.js';
import { RecordType } from './record-type.js';

/** auparse's end_of_event_timeout: an event is over when a record 2 s younger is seen, in log time. */
export const EVENT_TIMEOUT_MS = 2000;
/** Open events held at most; past it the oldest is handed on as it is. */
export const MAX_OPEN_EVENTS = 16_384;
/** Records of one event kept at most: at 64 KiB each they still fit into one event of ours as its witness. */
const MAX_RECORDS = 128;
const POOLED_EVENTS = 64;

export interface AssemblySink {
  /** All records of an event that may be ours. The object is reused after the call. */
  assembled(event: AssembledEvent): void;
  /** A record of an event that was handed on before. */
  lateRecord(bytes: Buffer, start: number, end: number): void;
  /** More records than an event can have. */
  surplusRecord(bytes: Buffer, start: number, end: number): void;
  /** A SYSCALL record that does not say which call it is. */
  garbledRecord(bytes: Buffer, start: number, end: number): void;
  /** A record whose event's SYSCALL was never seen. */
  headlessRecord(header: LineHeader, bytes: Buffer, start: number, end: number): void;
  foreignLines(lines: number, bytes: number): void;
}

/**
 * Puts the records of each event together: same node, same stamp, wherever their lines stand. Only events that a
 * relabelling call or an AVC opens are kept; of all others nothing but the serial is remembered.
 *
 * An event ends with EOE, with PROCTITLE (the last record that files have), or when a record two seconds younger
 * is read. What is handed on, and in which order, depends on the bytes alone.
 */
export class Assembler {
  readonly #sink: AssemblySink;
  readonly #recent = new RecentEvents();
  /** the event of the last stamp, if open; not among the waiting ones */
  #current: AssembledEvent | null = null;
  /** the fate of the last stamp's event, if not open */
  #fate: Fate = Fate.UNSEEN;
  /** open events whose records were interrupted by those of others, by serial, longest waiting first */
  readonly #waiting = new Map<number, AssembledEvent[]>();
  #waitingCount = 0;
  #longestWaiting: AssembledEvent | null = null;
  readonly #pool: AssembledEvent[] = [];
  /** file offset of index 0 of the buffer that records are given in */
  bytesOffset = 0;
  #proctitlesSeen = false;

  constructor(sink: AssemblySink) {
    this.#sink = sink;
  }

  /** Whether this stream has PROCTITLE records at all; an exclude rule can keep them out. */
  get hasProctitles(): boolean {
    return this.#proctitlesSeen;
  }

  /** The events read last, of which records may follow. Whoever goes on from here will find the open ones handed on. */
  get neighbours(): PastEvent[] {
    const open = [...this.#waiting.values()].flat();
    if (this.#current !== null) open.push(this.#current);
    const done = open.map(({ node, at_ms, serial }) => ({ node, at_ms, serial, fate: Fate.DONE }));
    return [...this.#recent.neighbours(), ...done];
  }

  /** Goes on where another reader stopped. */
  remember(proctitles: boolean, neighbours: readonly PastEvent[]): void {
    this.#proctitlesSeen = proctitles;
    for (const { node, at_ms, serial, fate } of neighbours) this.#recent.remember(node, at_ms, serial, fate);
  }

  /** To be called when a line has another stamp than the line before it, before `record`. */
  stampChanged(header: LineHeader): void {
    if (this.#current !== null) this.#suspend(this.#current);
    if (this.#waitingCount > 0) {
      if (this.#mayExpire(header)) this.#expire(header);
      this.#resume(header);
      if (this.#current !== null) return;
    }
    this.#fate = this.#recent.fateOf(header.node, header.at_ms, header.serial);
  }

  /** Takes a record that may belong to an event of several records. */
  record(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    switch (header.type) {
      case RecordType.PATH:
      case RecordType.CWD:
        this.#part(header, bytes, start, end);
        return;
      case RecordType.PROCTITLE:
        this.#proctitlesSeen = true;
        this.#part(header, bytes, start, end);
        this.#finishCurrent();
        return;
      case RecordType.SYSCALL:
        this.#syscall(header, bytes, start, end);
        return;
      case RecordType.AVC:
      case RecordType.URINGOP:
        this.#keep(header, bytes, start, end);
        return;
      case RecordType.EOE:
        this.#finishCurrent();
        this.#sink.foreignLines(1, end - start + 1);
        return;
      default:
        if (this.#current !== null) this.#append(this.#current, header, bytes, start, end);
        else this.passOver(header, start, end);
    }
  }

  /** The event of the last stamp was none of ours, and none is open: what follows is likely to be more of the same. */
  get isAmongForeign(): boolean {
    return this.#fate === Fate.FOREIGN && this.#current === null && this.#waitingCount === 0;
  }

  /**
   * Takes a whole event of a call that relabels nothing, while none is open.
   *
   * @returns false when something of it was read before: then its lines have to be looked at one by one
   */
  passOverEvent(at_ms: number, serial: number, hasProctitle: boolean): boolean {
    if (this.#recent.fateOf(null, at_ms, serial) !== Fate.UNSEEN) return false;
    this.#recent.remember(null, at_ms, serial, Fate.FOREIGN);
    if (hasProctitle) this.#proctitlesSeen = true;
    return true;
  }

  /** Counts a line of an event that is none of ours, or that says all it has to say in one record. */
  passOver(header: LineHeader, start: number, end: number): void {
    this.markForeign(header);
    this.#sink.foreignLines(1, end - start + 1);
  }

  /** Further records of this event are no parts without a head. */
  markForeign(header: LineHeader): void {
    if (this.#current !== null || this.#fate !== Fate.UNSEEN) return;
    this.#fate = Fate.FOREIGN;
    this.#recent.remember(header.node, header.at_ms, header.serial, Fate.FOREIGN);
  }

  /** Hands on everything that is open. */
  end(): void {
    if (this.#current !== null) this.#suspend(this.#current);
    for (const events of this.#waiting.values()) for (const event of events) this.#handOn(event);
    this.#waiting.clear();
    this.#waitingCount = 0;
    this.#longestWaiting = null;
  }

  /** Where the first line of the oldest open event stands; infinite when none is open. */
  oldestOffset(): number {
    let oldest = this.#current?.offset ?? Number.POSITIVE_INFINITY;
    for (const events of this.#waiting.values())
      for (const { offset } of events) oldest = Math.min(oldest, offset);
    return oldest;
  }

  /** The next file begins: what stands in the one before, of this length, lies before offset 0. */
  nextFile(length: number): void {
    if (this.#current !== null) this.#current.offset -= length;
    for (const events of this.#waiting.values()) for (const event of events) event.offset -= length;
  }

  #syscall(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    const gate = this.#current === null ? gateOf(bytes, header.bodyStart, end) : Gate.OURS;
    if (gate === Gate.OURS) {
      this.#keep(header, bytes, start, end);
    } else if (gate === Gate.FOREIGN) {
      this.passOver(header, start, end);
    } else {
      this.markForeign(header);
      this.#sink.garbledRecord(bytes, start, end);
    }
  }

  /** A record that opens its event. */
  #keep(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    if (this.#current === null) {
      if (this.#fate === Fate.DONE) {
        this.#sink.lateRecord(bytes, start, end);
        return;
      }
      this.#current = this.#pool.pop() ?? new AssembledEvent();
      this.#current.begin(header.node, header.at_ms, header.serial, this.bytesOffset + start);
    }
    this.#append(this.#current, header, bytes, start, end);
  }

  /** A record that some other record of its event must have come before. */
  #part(header: LineHeader, bytes: Buffer, start: number, end: number): void {
    if (this.#current !== null) this.#append(this.#current, header, bytes, start, end);
    else if (this.#fate === Fate.FOREIGN) this.#sink.foreignLines(1, end - start + 1);
    else if (this.#fate === Fate.DONE) this.#sink.lateRecord(bytes, start, end);
    else this.#sink.headlessRecord(header, bytes, start, end);
  }

  #append(event: AssembledEvent, header: LineHeader, bytes: Buffer, start: number, end: number): void {
    if (event.count < MAX_RECORDS) event.add(header.type, bytes, start, header.bodyStart, end);
    else this.#sink.surplusRecord(bytes, start, end);
  }

  #finishCurrent(): void {
    if (this.#current === null) return;
    const event = this.#current;
    this.#current = null;
    this.#handOn(event);
    this.#fate = Fate.DONE;
  }

  #handOn(event: AssembledEvent): void {
    this.#recent.remember(event.node, event.at_ms, event.serial, Fate.DONE);
    this.#sink.assembled(event);
    event.clear();
    if (this.#pool.length < POOLED_EVENTS) this.#pool.push(event);
  }

  #suspend(event: AssembledEvent): void {
    getOrMake(this.#waiting, event.serial, () => []).push(event);
    this.#waitingCount++;
    this.#longestWaiting ??= event;
    this.#current = null;
  }

  #resume(header: LineHeader): void {
    const events = this.#waiting.get(header.serial);
    if (events === undefined) return;
    const event = events.find(({ at_ms, node }) => at_ms === header.at_ms && node === header.node);
    if (event === undefined) return;
    this.#remove(event);
    this.#current = event;
  }

  #remove(event: AssembledEvent): void {
    const events = this.#waiting.get(event.serial) as AssembledEvent[];
    if (events.length === 1) this.#waiting.delete(event.serial);
    else events.splice(events.indexOf(event), 1);
    this.#waitingCount--;
    if (event !== this.#longestWaiting) return;
    const first = this.#waiting.values().next();
    this.#longestWaiting = first.done === true ? null : (first.value[0] as AssembledEvent);
  }

  /** Nothing can have expired as long as the one that waits longest has not. */
  #mayExpire(header: LineHeader): boolean {
    const longest = this.#longestWaiting as AssembledEvent;
    return (
      longest.node !== header.node ||
      header.at_ms >= longest.at_ms + EVENT_TIMEOUT_MS ||
      this.#waitingCount > MAX_OPEN_EVENTS
    );
  }

  /** Other nodes have other clocks: an event waits for a younger record of its own. */
  #expire(header: LineHeader): void {
    for (const events of this.#waiting.values()) {
      const event = events[0] as AssembledEvent;
      if (this.#waitingCount <= MAX_OPEN_EVENTS) {
        if (event.node !== header.node) continue;
        if (header.at_ms < event.at_ms + EVENT_TIMEOUT_MS) return;
      }
      this.#remove(event);
      this.#handOn(event);
    }
  }
}
