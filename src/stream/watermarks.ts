import type { EventOf, Stream } from '../events/event.js';

/** How far the clock of a host that does not know its offset may be from the others, µs. */
const CLOCK_DOUBT_US = 30_000_000;

/**
 * What the heartbeats of a host say together. Every part only grows, shrinks or joins, so neither the order of
 * heartbeats nor their repetition matters, and old ones need not be kept.
 */
export interface Watermark {
  /** everything earlier has been said, on the host's own clock, µs */
  own_us: number;
  /** the same in true time, by a host that knows its offset; null by one that does not */
  true_us: number | null;
  /** the least that the clock was ever ahead of true time, its uncertainty taken off, µs */
  offset_min_us: number | null;
  /** that were ever named, sorted */
  streams: readonly Stream[];
}

/** How far each host of a cluster has said everything. */
export class Watermarks {
  readonly #hosts = new Map<string, Watermark>();
  readonly #moved = new Set<string>();

  get(host: string): Watermark | null {
    return this.#hosts.get(host) ?? null;
  }

  *all(): Iterable<[host: string, watermark: Watermark]> {
    yield* this.#hosts;
  }

  restore(host: string, watermark: Watermark): void {
    this.#hosts.set(host, watermark);
    this.#moved.add(host);
  }

  /** Those that changed since this was called last. */
  moved(): [host: string, watermark: Watermark][] {
    const moved = [...this.#moved].map((host): [string, Watermark] => [
      host,
      this.#hosts.get(host) as Watermark,
    ]);
    this.#moved.clear();
    return moved;
  }

  /** Returns whether it said anything new. */
  take(event: EventOf<'Heartbeat'>): boolean {
    const said = watermarkOf(event);
    const known = this.#hosts.get(event.host);
    const joined = known === undefined ? said : join(known, said);
    if (known !== undefined && isSame(known, joined)) return false;
    this.#hosts.set(event.host, joined);
    this.#moved.add(event.host);
    return true;
  }

  /**
   * Has a host said everything up to a moment on the clock of a host? Its own clock is exact. Between two hosts, what
   * they know of their clocks counts, and a margin where they know nothing: this decides when a verdict is called
   * confirmed, and never what it is.
   */
  hasPassed(host: string, moment: Moment): boolean {
    const watermark = this.#hosts.get(host);
    if (watermark === undefined) return false;
    if (host === moment.host) return watermark.own_us > moment.at_us;
    const offset_us = this.#hosts.get(moment.host)?.offset_min_us ?? -CLOCK_DOUBT_US;
    return (watermark.true_us ?? watermark.own_us - CLOCK_DOUBT_US) > moment.at_us - offset_us;
  }
}

/** A time on the clock of a host, µs. */
export interface Moment {
  host: string;
  at_us: number;
}

function watermarkOf({ at, body }: EventOf<'Heartbeat'>): Watermark {
  const own_us = body.streams.reduce((least, stream) => Math.min(least, stream.at), at);
  const { clock_offset_us, clock_uncertainty_us } = body;
  const least_us = clock_offset_us === null ? null : clock_offset_us - (clock_uncertainty_us ?? 0);
  const most_us = clock_offset_us === null ? null : clock_offset_us + (clock_uncertainty_us ?? 0);
  return {
    own_us,
    true_us: most_us === null ? null : own_us - most_us,
    offset_min_us: least_us,
    streams: [...new Set(body.streams.map(({ stream }) => stream))].sort(),
  };
}

function join(a: Watermark, b: Watermark): Watermark {
  return {
    own_us: Math.max(a.own_us, b.own_us),
    true_us: orOther(a.true_us, b.true_us, Math.max),
    offset_min_us: orOther(a.offset_min_us, b.offset_min_us, Math.min),
    streams: b.streams.every((stream) => a.streams.includes(stream))
      ? a.streams
      : [...new Set([...a.streams, ...b.streams])].sort(),
  };
}

function isSame(a: Watermark, b: Watermark): boolean {
  return (
    a.own_us === b.own_us &&
    a.true_us === b.true_us &&
    a.offset_min_us === b.offset_min_us &&
    a.streams.length === b.streams.length
  );
}

function orOther(a: number | null, b: number | null, of: (a: number, b: number) => number): number | null {
  if (a === null || b === null) return a ?? b;
  return of(a, b);
}
