/**
 * The last moment a stamp can tell, µs since the epoch: where unsigned 32-bit seconds end, in 2106. No log is younger,
 * and every time up to here, with some seconds added, fits into an event.
 */
export const LATEST_TIME_US = (2 ** 32 - 1) * 1_000_000;

/** A whole µs between the epoch and the last moment a stamp can tell. */
export function isTimeUs(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= LATEST_TIME_US;
}
