import { isTimeUs } from '../../domain/time.js';

/** Where a stream that cannot be read again stands. */
export class EventCheckpoint {
  /** of the next event */
  sequence: number;
  /** up to when everything was seen, µs; null when nothing ever was */
  seen_us: number | null;

  private constructor(sequence: number, seen_us: number | null) {
    this.sequence = sequence;
    this.seen_us = seen_us;
  }

  /**
   * Without one that can be read the sequence begins with the time in ms: beyond that of any earlier run, whose
   * checkpoint was lost.
   */
  static from(bytes: Buffer | null, now_us: number): EventCheckpoint {
    const fresh = Math.floor(now_us / 1000);
    try {
      const { sequence, seen_us } = JSON.parse((bytes ?? '').toString()) as Partial<EventCheckpoint>;
      const isKnown = typeof seen_us === 'number' && isTimeUs(seen_us);
      if (Number.isSafeInteger(sequence) && isKnown) return new EventCheckpoint(sequence as number, seen_us);
    } catch {
      // none, or damaged: as if nothing had been seen
    }
    return new EventCheckpoint(fresh, null);
  }

  buffer(): Buffer | null {
    const { sequence, seen_us } = this;
    return seen_us === null ? null : Buffer.from(JSON.stringify({ sequence, seen_us }));
  }
}
