import { createHash } from 'node:crypto';
import type { ByteText } from '../domain/byte-text.js';
import type { Event, EventBodies, EventKind, GapKind, Stream } from '../events/event.js';
import { auditEventId, contentEventId } from '../events/identity.js';
import { shownBy } from './clock.js';
import type { Random } from './random.js';
import { auditLines, virshLine } from './witness.js';
import type { SimHost } from './world.js';

/** Kernel audit stamps come from the coarse clock: a tick of 4 ms at 250 Hz. */
const KERNEL_TICK_US = 4000;
/** virsh writes a lifecycle line 6–36 ms after the audit record of the same act (seen on slow hosts). */
const VIRSH_DELAY_US = [6_000, 36_000] as const;
const MONITOR_DELAY_US = [0, 15_000] as const;
/** From the line in the file to the event at its reader, over collector and Kafka. */
const ARRIVAL_DELAY_US = [1_000, 3_000_000] as const;

interface Arrival {
  event: Event;
  /** true time of the line, µs since the beginning */
  written_us: number;
  arrives_us: number;
}

/** Writes what a host's collectors would have made of what happens, on that host's clock. */
export class EventLog {
  readonly #cluster: string;
  readonly #began_us: number;
  readonly #random: Random;
  readonly #now: () => number;
  readonly #arrivals: Arrival[] = [];
  readonly #sequences = new Map<string, number>();
  readonly #lastWritten_us = new Map<string, number>();
  readonly #equalLines = new Map<string, number>();

  constructor(cluster: string, began_us: number, random: Random, now: () => number) {
    this.#cluster = cluster;
    this.#began_us = began_us;
    this.#random = random;
    this.#now = now;
  }

  /** One audit event; null when audit is not collected on that host. */
  audit<K extends EventKind>(
    host: SimHost,
    records: [type: string, body: string][],
    kind: K,
    body: (serial: number) => EventBodies[K],
  ): Event | null {
    const serial = host.serial++;
    if (!host.plan.streams.includes('audit')) return null;
    const shown = this.shown(host, this.#now());
    const at = shown - (shown % KERNEL_TICK_US);
    const id = auditEventId(host.plan.name, null, at / 1000, serial);
    return this.#add(host, 'audit', at, this.#now(), id, auditLines(at, serial, records), kind, body(serial));
  }

  /** A line of `virsh event`; lost while nobody listens. */
  virsh<K extends EventKind>(host: SimHost, line: ByteText, kind: K, body: EventBodies[K]): Event | null {
    return this.#line(host, 'virsh-event', VIRSH_DELAY_US, line, kind, body);
  }

  /** A line of `virsh qemu-monitor-event`; lost while nobody listens. */
  monitor<K extends EventKind>(host: SimHost, line: ByteText, kind: K, body: EventBodies[K]): Event | null {
    return this.#line(host, 'qemu-monitor-event', MONITOR_DELAY_US, line, kind, body);
  }

  /** A fact that the collector read from a file or a command. */
  fact<K extends EventKind>(host: SimHost, content: string, kind: K, body: EventBodies[K]): Event {
    return this.#stated(host, 'host-facts', content, kind, body);
  }

  gap(host: SimHost, kind: GapKind, stream: Stream, from: number | null, to: number | null): void {
    if (!host.plan.streams.includes(stream)) return;
    this.#stated(host, 'collector', `${kind} ${stream} ${from} ${to}`, 'GapDetected', {
      kind,
      of_stream: stream,
      from,
      to,
      lost: null,
      serial_from: null,
      serial_to: null,
      detail: 'virsh lost its connection',
    });
  }

  heartbeat(host: SimHost): void {
    const at = this.shown(host, this.#now());
    const streams = host.plan.streams.map((stream) => ({ stream, at }));
    this.#stated(host, 'collector', `heartbeat ${at}`, 'Heartbeat', {
      streams,
      clock_offset_us: null,
      clock_uncertainty_us: null,
    });
  }

  /** The host's clock, µs since the epoch, in whole ms as the streams print it. */
  shown(host: SimHost, elapsed_us: number): number {
    const shown = shownBy(host.plan.clock, this.#began_us, elapsed_us);
    return shown - (shown % 1000);
  }

  /** All events, in the order in which they reach the correlator. */
  arrived(): Event[] {
    return [...this.#arrivals].sort((a, b) => a.arrives_us - b.arrives_us).map(({ event }) => event);
  }

  /** Events with the true time (µs since the beginning) of the line they came from. */
  inTrueOrder(): { event: Event; elapsed_us: number }[] {
    return [...this.#arrivals]
      .sort((a, b) => a.written_us - b.written_us)
      .map(({ event, written_us }) => ({ event, elapsed_us: written_us }));
  }

  #line<K extends EventKind>(
    host: SimHost,
    stream: 'virsh-event' | 'qemu-monitor-event',
    [least_us, most_us]: readonly [number, number],
    text: ByteText,
    kind: K,
    body: EventBodies[K],
  ): Event | null {
    if (!host.listening || !host.plan.streams.includes(stream)) return null;
    const key = `${host.plan.name}/${stream}`;
    const wanted_us = this.#now() + this.#random.between(least_us, most_us);
    const written_us = Math.max(wanted_us, this.#lastWritten_us.get(key) ?? 0);
    this.#lastWritten_us.set(key, written_us);
    const at = this.shown(host, written_us);
    const witness = virshLine(at, text);
    return this.#add(
      host,
      stream,
      at,
      written_us,
      this.#contentId(host, stream, at, witness),
      witness,
      kind,
      body,
    );
  }

  #stated<K extends EventKind>(
    host: SimHost,
    stream: Stream,
    content: string,
    kind: K,
    body: EventBodies[K],
  ): Event {
    const at = this.shown(host, this.#now());
    const id = this.#contentId(host, stream, at, Buffer.from(content + JSON.stringify(body)));
    return this.#add(host, stream, at, this.#now(), id, Buffer.alloc(0), kind, body);
  }

  #contentId(host: SimHost, stream: Stream, at: number, content: Buffer): string {
    const key = `${host.plan.name}/${stream}/${at}/${createHash('sha256').update(content).digest('hex')}`;
    const ordinal = this.#equalLines.get(key) ?? 0;
    this.#equalLines.set(key, ordinal + 1);
    return contentEventId(host.plan.name, bootOf(host), stream, at, content, ordinal);
  }

  #add<K extends EventKind>(
    host: SimHost,
    stream: Stream,
    at: number,
    written_us: number,
    id: string,
    witness: Buffer,
    kind: K,
    body: EventBodies[K],
  ): Event {
    const key = `${host.plan.name}/${stream}`;
    const sequence = this.#sequences.get(key) ?? 0;
    this.#sequences.set(key, sequence + 1);
    const event = {
      cluster: this.#cluster,
      host: host.plan.name,
      boot: bootOf(host),
      stream,
      sequence,
      at,
      id,
      witness,
      kind,
      body,
    } as Event;
    const [least_us, most_us] = ARRIVAL_DELAY_US;
    this.#arrivals.push({
      event,
      written_us,
      arrives_us: written_us + this.#random.between(least_us, most_us),
    });
    return event;
  }
}

function bootOf(host: SimHost): string | null {
  return host.plan.knows_boot ? host.boot : null;
}
