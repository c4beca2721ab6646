import type { ByteText } from '../../domain/byte-text.js';
import type { EventSink, Origin } from '../../events/origin.js';
import { isStreamTrailer, streamEnded } from './event-stream-end.js';
import { LineReader } from './line-reader.js';
import { type Line, MAX_LINE_BYTES } from './lines.js';
import { LIBVIRT_STAMP_LENGTH, libvirtStampUs } from './stamps.js';
import { type DomainEvent, parseDomainEvent } from './virsh-event-text.js';

/** Longest continuation that libvirt prints is job-completed's, some 40 lines. */
const MAX_LINES_OF_ONE_EVENT = 256;
const STAMPED = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+\d{4}: /;

interface HeldEvent {
  at: number;
  lines: Line[];
  text: ByteText;
  event: DomainEvent;
}

/**
 * Reads `virsh event --all --loop --timestamp`, in the C locale. The stamp is the time at which virsh received the
 * event, by the clock of the machine virsh runs on. An event that may be continued is held until the next stamp.
 */
export class VirshEventReader extends LineReader {
  private held: HeldEvent | null = null;
  private lastAt: number | null = null;

  constructor(origin: Origin, sink: EventSink) {
    super(origin, sink, 'virsh-event');
  }

  protected read(line: Line, text: ByteText): void {
    if (STAMPED.test(text)) this.readEvent(line, text);
    else if (isStreamTrailer(text)) this.readTrailer(line, text);
    else if (text.startsWith("event '")) this.reject(line, 'no-timestamp');
    else if (this.held) this.continueHeld(this.held, line, text);
    else if (text === '') this.skip(line);
    else this.reject(line, 'continuation-without-event');
  }

  protected override finish(): void {
    const held = this.held;
    if (!held) return;
    this.held = null;
    const { kind, body } = held.event.fact;
    this.emit(kind, held.at, held.lines, body);
  }

  protected override unreadable(): void {
    this.finish();
  }

  private readEvent(line: Line, text: ByteText): void {
    this.finish();
    const at = libvirtStampUs(text.slice(0, LIBVIRT_STAMP_LENGTH));
    if (at === null) {
      this.reject(line, 'bad-stamp');
      return;
    }
    const rest = text.slice(LIBVIRT_STAMP_LENGTH + 2);
    const event = parseDomainEvent(rest);
    if (!event) {
      this.reject(line, 'malformed-event');
      return;
    }
    this.lastAt = at;
    this.held = { at, lines: [line], text: rest, event };
    if (event.closed) this.finish();
  }

  private continueHeld(held: HeldEvent, line: Line, text: ByteText): void {
    const tooLong = held.text.length + text.length > MAX_LINE_BYTES;
    if (tooLong || held.lines.length >= MAX_LINES_OF_ONE_EVENT) {
      this.reject(line, 'too-many-continuation-lines');
      return;
    }
    held.lines.push(line);
    held.text += `\n${text}`;
    const event = parseDomainEvent(held.text);
    if (event) held.event = event;
    if (held.event.closed) this.finish();
  }

  private readTrailer(line: Line, text: ByteText): void {
    this.finish();
    if (this.lastAt === null) {
      this.reject(line, 'trailer-before-any-event');
      return;
    }
    this.emit('GapDetected', this.lastAt, [line], streamEnded('virsh-event', this.lastAt, text));
  }
}
