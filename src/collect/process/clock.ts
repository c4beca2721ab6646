import { pause } from '../../waiting/pause.js';

/** Time as a source sees it; tests supply their own. */
export interface Clock {
  /** µs since the epoch on the host's clock */
  now_us(): number;
  /** Resolves after that time, or at once when aborted; never rejects. */
  sleep(wait_ms: number, signal: AbortSignal): Promise<void>;
}

export const HOST_CLOCK: Clock = { now_us: () => Date.now() * 1000, sleep: pause };
