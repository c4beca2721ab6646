import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { pause } from '../../waiting/pause.js';
import { DirectoryWatch } from './directory-watch.js';

export interface PaceLimits {
  /** between two looks at what was written to just now */
  poll_ms_min: number;
  /** between two looks at what nothing is written to, and which cannot be watched */
  poll_ms_max: number;
  /** between two looks at what rests and is watched: a watch can miss things */
  watched_ms_max: number;
}

export const PACE: PaceLimits = { poll_ms_min: 20, poll_ms_max: 250, watched_ms_max: 1000 };

/**
 * How long to wait before the next look: twice as long each time that there was nothing. What rests is watched, and
 * looked at when something happens.
 */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #watch: DirectoryWatch;
  #wait_ms: number;

  /** @param directory of what is looked at */
  constructor(limits: PaceLimits, directory: string) {
    this.#limits = limits;
    this.#watch = new DirectoryWatch(directory);
    this.#wait_ms = limits.poll_ms_min;
  }

  /** There was something: whoever else has work on this thread goes first, then comes the next look. */
  async busy(): Promise<void> {
    this.#begin();
    await turnOfLoop();
  }

  /** There may be something in a moment. */
  async soon(signal: AbortSignal): Promise<void> {
    await pause(this.#limits.poll_ms_min, signal);
  }

  /** There was nothing. Returns whether something may have happened anywhere in the directory meanwhile. */
  async idle(signal: AbortSignal): Promise<boolean> {
    const { poll_ms_max, watched_ms_max } = this.#limits;
    if (this.#watch.isArmed) {
      const isChanged = await this.#watch.wait(watched_ms_max, signal);
      if (isChanged) this.#begin();
      return isChanged;
    }
    if (this.#wait_ms >= poll_ms_max && this.#watch.arm()) return true;
    await pause(this.#wait_ms, signal);
    this.#wait_ms = Math.min(this.#wait_ms * 2, poll_ms_max);
    return false;
  }

  /** Nobody looks any more. */
  close(): void {
    this.#watch.disarm();
  }

  #begin(): void {
    this.#watch.disarm();
    this.#wait_ms = this.#limits.poll_ms_min;
  }
}
