import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { pause } from '../../waiting/pause.js';

export interface PaceLimits {
  /** between two looks at what was written to just now */
  poll_ms_min: number;
  /** between two looks at what rests; within it a rotation is noticed */
  poll_ms_max: number;
}

export const PACE: PaceLimits = { poll_ms_min: 20, poll_ms_max: 250 };

/** How long to wait before the next look: twice as long each time that there was nothing. */
export class Pace {
  readonly #limits: PaceLimits;
  #wait_ms: number;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
    this.#wait_ms = limits.poll_ms_min;
  }

  /** There was something: whoever else has work on this thread goes first, then comes the next look. */
  async busy(): Promise<void> {
    this.#wait_ms = this.#limits.poll_ms_min;
    await turnOfLoop();
  }

  /** There may be something in a moment. */
  async soon(signal: AbortSignal): Promise<void> {
    await pause(this.#limits.poll_ms_min, signal);
  }

  /** There was nothing. */
  async idle(signal: AbortSignal): Promise<void> {
    await pause(this.#wait_ms, signal);
    this.#wait_ms = Math.min(this.#wait_ms * 2, this.#limits.poll_ms_max);
  }
}
