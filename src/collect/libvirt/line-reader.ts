import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import type { Event, EventBodies, EventKind, Stream } from '../../events/event.js';
import { contentEventId } from '../../events/identity.js';
import type { EventSink, Origin, Reader } from '../../events/origin.js';
import { joinedLines } from '../line-bytes.js';
import { type Line, LineSplitter, withoutCarriageReturn } from './lines.js';

/** Equal lines at one stamp are counted over at most this many different ones. */
const MAX_COUNTED_FACTS = 4096;

/**
 * What the readers of this folder share: lines out of chunks, identity of facts, and where bytes end up. Of a line that
 * is too long the beginning is rejected and the rest counted among the foreign bytes.
 */
export abstract class LineReader implements Reader {
  protected readonly origin: Origin;
  private readonly sink: EventSink;
  private readonly stream: Stream;
  private readonly splitter: LineSplitter;
  /** ids given at `countedAt`, with how often each */
  private readonly given = new Map<string, number>();
  private countedAt: number | null = null;

  constructor(origin: Origin, sink: EventSink, stream: Stream) {
    this.origin = origin;
    this.sink = sink;
    this.stream = stream;
    this.splitter = new LineSplitter(origin.file, origin.sequence_from ?? 0, (line) => this.dispatch(line));
  }

  begin(file: string): void {
    this.splitter.begin(file);
  }

  write(chunk: Buffer): void {
    this.splitter.write(chunk);
  }

  quiet(): void {
    this.finish();
  }

  end(): void {
    this.splitter.end();
    this.finish();
  }

  /** A whole line. Must end in `emit`, `reject` or `skip`, now or later. */
  protected abstract read(line: Line, text: ByteText): void;

  /** Tells lines of this log from equal ones of another log of the stream. */
  protected about(): string {
    return '';
  }

  /** A line of which the content is lost stood here; it has been rejected. */
  protected unreadable(): void {}

  /** The stream is over: hand on what was held back. */
  protected finish(): void {}

  /** A line is about to be read. */
  protected lineBegins(): void {}

  /** Everything that the line led to has been done. */
  protected lineEnds(_line: Line): void {}

  /** A fact is about to be told. */
  protected factBegins(_at: number, _first: Line | undefined): void {}

  /**
   * @param at µs since the epoch
   * @param lines the witness, in order
   * @param part tells the facts from one witness apart; `''` for the only one
   * @param identity what the fact is recognised by, when that is not the whole witness
   */
  protected emit<K extends EventKind>(
    kind: K,
    at: number,
    lines: readonly Line[],
    body: EventBodies[K],
    { part = '', identity }: { part?: string; identity?: Buffer } = {},
  ): void {
    this.factBegins(at, lines[0]);
    const { cluster, host, boot } = this.origin;
    const own = identity ?? joinedLines(lines.map((line) => withoutCarriageReturn(line.raw)));
    const about = this.about();
    const content = about === '' ? own : Buffer.concat([Buffer.from(`${about}\0`), own]);
    const event = {
      cluster,
      host,
      boot,
      stream: this.stream,
      sequence: lines[0]?.number ?? 0,
      at,
      id: this.idOf(at, part === '' ? content : Buffer.concat([content, Buffer.from(`\0${part}`)])),
      witness: joinedLines(lines.map((line) => line.raw)),
      kind,
      body,
    };
    this.sink.event(event as Event);
  }

  protected reject(line: Line, reason: string): void {
    this.sink.rejected({
      stream: this.stream,
      file: line.file,
      offset: line.offset,
      reason,
      bytes: line.raw,
    });
  }

  protected skip(line: Line): void {
    this.sink.foreign(1, line.size_bytes);
  }

  private dispatch(line: Line): void {
    this.lineBegins();
    this.take(line);
    this.lineEnds(line);
  }

  private take(line: Line): void {
    if (line.fault === null) {
      this.read(line, byteTextFrom(withoutCarriageReturn(line.raw)));
      return;
    }
    // A line cut by the end of the stream may be the beginning of another fact (`Resumed Post-copy` of
    // `Resumed Post-copy Error`), so it is not read.
    this.reject(line, line.fault);
    if (line.fault === 'line-too-long') this.sink.foreign(0, line.unkept_bytes);
    this.unreadable();
  }

  private idOf(at: number, content: Buffer): string {
    if (at !== this.countedAt || this.given.size >= MAX_COUNTED_FACTS) {
      this.given.clear();
      this.countedAt = at;
    }
    const { host, boot } = this.origin;
    const first = contentEventId(host, boot, this.stream, at, content, 0);
    const ordinal = this.given.get(first) ?? 0;
    this.given.set(first, ordinal + 1);
    return ordinal === 0 ? first : contentEventId(host, boot, this.stream, at, content, ordinal);
  }
}
