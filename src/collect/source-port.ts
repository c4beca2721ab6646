import { printable } from '../domain/byte-text.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { NewRecord } from '../eventlog/port.js';
import { encodeEvent } from '../events/codec.js';
import type { Event, EventOf, Stream } from '../events/event.js';
import type { ConditionSetter } from '../telemetry/health.js';
import type { Instruments } from '../telemetry/metrics.js';
import { type CollectorPlace, gapDetected } from './collector-event.js';
import { rejectedGap } from './gaps.js';
import type { Outbox } from './outbox.js';
import { RejectedLines } from './rejected-lines.js';
import type { Source, SourceOutput } from './source.js';

export interface PortOptions {
  place: { cluster: string; host: string };
  outbox: Outbox;
  metrics: Instruments;
  condition: ConditionSetter;
  /** µs since the epoch */
  clock: () => number;
  /** what came or went, and events that could not be kept */
  log: CollectorLog;
}

/** The part of pino's logger that a collector uses. */
export interface CollectorLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

type LineStream = Exclude<Stream, 'host-facts' | 'collector'>;

/** What one source is given: it counts, encodes, and hands on to the outbox. */
export class SourcePort implements SourceOutput {
  readonly #source: Source;
  readonly #options: PortOptions;
  /** null for a source that tells the stretches of its rejected lines itself, because it can go back to them */
  readonly #rejected: RejectedLines | null;
  #gaps: EventOf<'GapDetected'>[] = [];
  #isUp: boolean | null = null;

  constructor(source: Source, options: PortOptions) {
    this.#source = source;
    this.#options = options;
    this.#rejected =
      source.isLive === true
        ? new RejectedLines(source.stream, (stretch) =>
            this.#gaps.push(rejectedGap(this.#placeAt(stretch.to_us ?? options.clock()), stretch)),
          )
        : null;
    options.metrics.source_up.set({ stream: source.stream }, 0);
  }

  emit(events: readonly Event[], checkpoint: Buffer | null): Promise<void> {
    // Lines are rejected while a batch is read, so where among its events is not known: the stretch is over after all.
    if (events.length > 0) this.#rejected?.event(events.reduce((latest, { at }) => Math.max(latest, at), 0));
    return this.#put(this.#gaps.length === 0 ? events : [...events, ...this.#takeGaps()], checkpoint);
  }

  /** A heartbeat is about to vouch for everything up to now: what is in the dark is told before. */
  settle(): void {
    this.#rejected?.end(this.#options.clock());
    if (this.#gaps.length > 0) void this.#put(this.#takeGaps(), null);
  }

  up(): void {
    if (this.#isUp === true) return;
    this.#isUp = true;
    const { condition, metrics, log } = this.#options;
    condition.ready();
    metrics.source_up.set({ stream: this.#source.stream }, 1);
    log.info({ source: this.#source.name }, 'the source is read');
  }

  down(reason: string): void {
    const { condition, metrics, log } = this.#options;
    condition.notReady(reason);
    if (this.#isUp === false) return;
    this.#isUp = false;
    metrics.source_up.set({ stream: this.#source.stream }, 0);
    log.warn({ source: this.#source.name, reason }, 'the source cannot be read');
  }

  read(lines: number, bytes: number): void {
    const { read_lines_total, read_bytes_total } = this.#options.metrics;
    const stream = this.#source.stream as LineStream;
    read_lines_total.inc({ stream }, lines);
    read_bytes_total.inc({ stream }, bytes);
  }

  foreign(lines: number): void {
    this.#options.metrics.foreign_lines_total.inc({ stream: this.#source.stream }, lines);
  }

  rejected(reason: string): void {
    this.#options.metrics.rejected_lines_total.inc({ stream: this.#source.stream, reason });
    this.#rejected?.rejected();
  }

  restarted(): void {
    this.#options.metrics.source_restarts_total.inc({ stream: this.#source.stream });
  }

  #put(events: readonly Event[], checkpoint: Buffer | null): Promise<void> {
    const records: NewRecord[] = [];
    let bytes = checkpoint?.length ?? 0;
    for (const event of events) {
      const record = this.#recordOf(event);
      records.push(record);
      bytes += record.value.length + record.key.length + (record.id?.length ?? 0);
    }
    this.#count(events);
    return this.#options.outbox.put({ source: this.#source.name, records, bytes, checkpoint });
  }

  #recordOf(event: Event): NewRecord {
    const key = this.#options.place.cluster;
    try {
      return { key, value: encodeEvent(event), id: event.id };
    } catch (error) {
      if (!(error instanceof MigrationAuditError) || error.code !== 'MA_BAD_EVENT') throw error;
      this.#options.log.error({ source: this.#source.name, err: error }, 'an event cannot be kept');
      this.#options.metrics.rejected_lines_total.inc({
        stream: this.#source.stream,
        reason: 'event-not-kept',
      });
      const gap = this.#gapInsteadOf(event, error);
      return { key, value: encodeEvent(gap), id: gap.id };
    }
  }

  /** No event is left out silently: what cannot be kept leaves a hole at its time. */
  #gapInsteadOf(event: Event, error: MigrationAuditError): EventOf<'GapDetected'> {
    const at_us = Number.isSafeInteger(event.at) && event.at >= 0 ? event.at : this.#options.clock();
    return gapDetected(this.#placeAt(at_us), {
      kind: 'rejected-lines',
      of_stream: event.stream,
      from: at_us,
      to: at_us,
      lost: 1,
      serial_from: null,
      serial_to: null,
      detail: `${event.kind} ${printable(String(event.id), 200)}: ${error.message}`,
    });
  }

  #count(events: readonly Event[]): void {
    const { events_total, gaps_total, last_event_timestamp_seconds } = this.#options.metrics;
    const last = events.at(-1);
    if (last === undefined) return;
    events_total.inc({ stream: this.#source.stream }, events.length);
    last_event_timestamp_seconds.set({ stream: this.#source.stream }, last.at / 1e6);
    for (const event of events) if (event.kind === 'GapDetected') gaps_total.inc({ kind: event.body.kind });
  }

  #takeGaps(): EventOf<'GapDetected'>[] {
    const gaps = this.#gaps;
    this.#gaps = [];
    return gaps;
  }

  #placeAt(at_us: number): CollectorPlace {
    return { ...this.#options.place, at_us };
  }
}
