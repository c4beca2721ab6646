import type { Spool } from '../eventlog/port.js';
import { encodeEvent } from '../events/codec.js';
import type { Event } from '../events/event.js';
import type { Health } from '../telemetry/health.js';
import type { Instruments } from '../telemetry/metrics.js';
import { aborted, pause } from '../waiting/pause.js';
import type { CollectorPlace } from './collector-event.js';
import {
  COLLECTOR,
  downGap,
  heartbeatOf,
  watermarks,
  watermarksFromCheckpoint,
  watermarksToCheckpoint,
} from './heartbeats.js';
import type { ClockState } from './host/clock-state.js';
import { LIMITS, Outbox, type OutboxLimits } from './outbox.js';
import type { Source } from './source.js';
import { type CollectorLog, SourcePort } from './source-port.js';

/** What may change while a collector runs: it is looked at each time. */
export interface CollectSettings {
  readonly heartbeat_every_s: number;
}

export interface CollectOptions {
  /** their names are unique */
  sources: readonly Source[];
  spool: Spool;
  place: { cluster: string; host: string };
  settings: CollectSettings;
  metrics: Instruments;
  health: Health;
  log: CollectorLog;
  /** µs since the epoch */
  clock: () => number;
  /** how far that clock is off, where the host knows */
  clockOffset?: () => ClockState | null;
  signal: AbortSignal;
  limits?: Partial<OutboxLimits>;
}

/**
 * Runs the sources and keeps what they say in the event log, until aborted; then takes what they still have, appends
 * it and a last heartbeat, and resolves.
 *
 * Events and the checkpoint that covers them are one transaction, so a kill at any point loses nothing that is behind
 * a checkpoint and doubles nothing: what is read again has the same ids. While the log is full or cannot be written
 * the sources wait, the condition `event-log` says why, and it goes on by itself.
 *
 * @throws what the log says that waiting does not mend (MA_LOG_DAMAGED …), and what a source throws, which none should
 */
export async function collect(options: CollectOptions): Promise<void> {
  await new Collector(options).run();
}

class Collector {
  readonly #options: CollectOptions;
  readonly #outbox: Outbox;
  readonly #ports: SourcePort[];
  /** aborted by the caller, or because nothing can be kept any more */
  readonly #stop = new AbortController();
  #isHeartbeatWaiting = false;

  constructor(options: CollectOptions) {
    this.#options = options;
    const { health, spool, metrics, log, clock, place, limits } = options;
    const condition = health.condition('event-log');
    condition.ready();
    const events = {
      appended: (
        { duplicates }: { duplicates: number },
        parcels: readonly { records: readonly unknown[] }[],
        seconds: number,
      ) => {
        condition.ready();
        const records = parcels.reduce((sum, parcel) => sum + parcel.records.length, 0);
        metrics.append_duration_seconds.observe(seconds);
        metrics.append_events_total.inc(records - duplicates);
        metrics.duplicate_events_total.inc(duplicates);
      },
      refused: (error: Error) => {
        condition.notReady(error.message);
        log.warn({ err: error }, 'the event log takes nothing; collecting waits');
      },
    };
    this.#outbox = new Outbox(spool, events, { ...LIMITS, ...limits });
    this.#ports = options.sources.map(
      (source) =>
        new SourcePort(source, {
          place,
          outbox: this.#outbox,
          metrics,
          condition: health.condition(source.name),
          clock,
          log,
        }),
    );
  }

  async run(): Promise<void> {
    const { signal, log } = this.#options;
    const stop = () => this.#stop.abort();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    this.#stop.signal.addEventListener('abort', () => this.#outbox.close(), { once: true });
    if (this.#stop.signal.aborted) this.#outbox.close();
    const reading = this.#read();
    const appending = this.#outbox.run(reading.catch(() => {}));
    appending.catch(stop);
    reading.catch(stop);
    try {
      const [unkept] = await Promise.all([appending, reading]);
      if (unkept > 0) log.warn({ events: unkept }, 'stopped while the event log took nothing');
    } finally {
      signal.removeEventListener('abort', stop);
      // when one of the two failed, the other is still on its way out
      await Promise.allSettled([appending, reading]);
    }
  }

  /** Until every source has said its last. */
  async #read(): Promise<void> {
    const { sources, spool } = this.#options;
    await this.#tellWhatWasMissed();
    const beating = this.#beat();
    const running = sources.map(async (source, index) => {
      const port = this.#ports[index] as SourcePort;
      await source.run(port, spool.checkpoint(source.name), this.#stop.signal);
      if (!this.#stop.signal.aborted) port.down('it has ended');
    });
    try {
      await Promise.all(running);
      await aborted(this.#stop.signal);
    } finally {
      this.#stop.abort();
      await Promise.allSettled(running);
      await beating;
    }
    await this.#heartbeat();
  }

  async #tellWhatWasMissed(): Promise<void> {
    const { sources, spool } = this.#options;
    const last = watermarksFromCheckpoint(spool.checkpoint(COLLECTOR));
    const live = new Set(sources.filter(({ isLive }) => isLive).map(({ stream }) => stream));
    const gaps = [...live].map((stream) => downGap(this.#here(), stream, last));
    for (const gap of gaps) this.#options.metrics.gaps_total.inc({ kind: gap.body.kind });
    if (gaps.length > 0) await this.#put(gaps, null);
  }

  async #beat(): Promise<void> {
    const { settings } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await pause(settings.heartbeat_every_s * 1000, signal);
      if (!signal.aborted && !this.#isHeartbeatWaiting) await this.#heartbeat();
    }
  }

  /** What is emitted goes into the log before it, so the watermarks cover nothing that is not there. */
  async #heartbeat(): Promise<void> {
    const { sources, clockOffset } = this.#options;
    for (const port of this.#ports) port.settle();
    const streams = watermarks(sources);
    const event = heartbeatOf(this.#here(), streams, clockOffset?.() ?? null);
    this.#isHeartbeatWaiting = true;
    await this.#put([event], watermarksToCheckpoint(streams), () => {
      this.#isHeartbeatWaiting = false;
    });
  }

  #put(events: readonly Event[], checkpoint: Buffer | null, kept?: () => void): Promise<void> {
    const { place, metrics } = this.#options;
    const records = events.map((event) => ({
      key: place.cluster,
      value: encodeEvent(event),
      id: event.id,
    }));
    const bytes = records.reduce((sum, { value }) => sum + value.length, checkpoint?.length ?? 0);
    metrics.events_total.inc({ stream: 'collector' }, events.length);
    return this.#outbox.put({ source: COLLECTOR, records, bytes, checkpoint, ...(kept && { kept }) });
  }

  #here(): CollectorPlace {
    return { ...this.#options.place, at_us: this.#options.clock() };
  }
}
