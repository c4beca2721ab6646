import type { Stream } from '../events/event.js';

/** A stretch of one stream in which lines could not be read. Times are µs; `null`: the stream's edge. */
export interface RejectedStretch {
  stream: Stream;
  from_us: number | null;
  to_us: number | null;
  lines: number;
}

/** What has to be kept so that another process can go on. */
export interface RejectedLinesMemory {
  told: number;
  lastEvent_us: number | null;
  open: { from_us: number | null; lines: number } | null;
}

/**
 * Readers hand events on up to this long after the line that completes them (auditd's end_of_event_timeout), so
 * that the event after a rejected line can be older than the line.
 */
export const HELD_BACK_US = 2_000_000;

/**
 * Endless damage must not become endless events: after so many stretches the next ones last at least a minute of the
 * log's time, so that those within it run together, and twice as long after so many again.
 */
const STRETCHES_MAX = 1000;
const LONG_STRETCH_US = 60_000_000;
const DOUBLINGS_MAX = 20;

/** Turns rejected lines into the stretches of time they leave in the dark. */
export class RejectedLines {
  readonly #stream: Stream;
  readonly #tell: (stretch: RejectedStretch) => void;
  readonly #memory: RejectedLinesMemory;

  /** @param tell is given each stretch when it is over */
  constructor(stream: Stream, tell: (stretch: RejectedStretch) => void, memory?: RejectedLinesMemory) {
    this.#stream = stream;
    this.#tell = tell;
    this.#memory = memory ?? { told: 0, lastEvent_us: null, open: null };
  }

  /** As it stands; changes with the next call. */
  get memory(): Readonly<RejectedLinesMemory> {
    return this.#memory;
  }

  rejected(): void {
    this.#memory.open ??= { from_us: this.#memory.lastEvent_us, lines: 0 };
    this.#memory.open.lines++;
  }

  event(at_us: number): void {
    const { open, told } = this.#memory;
    this.#memory.lastEvent_us = at_us;
    if (open !== null && at_us - (open.from_us ?? at_us) >= shortest_us(told)) this.end(at_us + HELD_BACK_US);
  }

  /** @param to_us when whatever is open is over; null at the edge of the stream */
  end(to_us: number | null): void {
    const { open } = this.#memory;
    if (open === null) return;
    this.#memory.open = null;
    this.#memory.told++;
    this.#tell({ stream: this.#stream, from_us: open.from_us, to_us, lines: open.lines });
  }
}

function shortest_us(told: number): number {
  const thousands = Math.floor(told / STRETCHES_MAX);
  return thousands === 0 ? 0 : LONG_STRETCH_US * 2 ** Math.min(thousands - 1, DOUBLINGS_MAX);
}
