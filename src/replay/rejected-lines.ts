import type { Stream } from '../events/event.js';
import type { Rejected } from '../events/origin.js';

/** A stretch of one stream in which lines could not be read. Times are µs; `null`: the stream's edge. */
export interface RejectedStretch {
  stream: Stream;
  from_us: number | null;
  to_us: number | null;
  lines: number;
}

/**
 * Readers hand events on up to this long after the line that completes them (auditd's end_of_event_timeout), so
 * that the event after a rejected line can be older than the line.
 */
const HELD_BACK_US = 2_000_000;

/** Endless damage must not become endless events: from then on, stretches run together. */
const STRETCHES_MAX = 1000;

/** Turns rejected lines into the stretches of time they leave in the dark. */
export class RejectedLines {
  readonly stretches: RejectedStretch[] = [];
  private lastEvent_us: number | null = null;
  private current: RejectedStretch | null = null;

  rejected({ stream }: Pick<Rejected, 'stream'>): void {
    if (this.current === null) {
      const last = this.stretches.at(-1);
      this.current =
        last !== undefined && this.stretches.length >= STRETCHES_MAX
          ? last
          : { stream, from_us: this.lastEvent_us, to_us: null, lines: 0 };
      if (this.current !== last) this.stretches.push(this.current);
    }
    this.current.to_us = null;
    this.current.lines++;
  }

  event(at_us: number): void {
    if (this.current !== null) {
      this.current.to_us = at_us + HELD_BACK_US;
      this.current = null;
    }
    this.lastEvent_us = at_us;
  }
}
