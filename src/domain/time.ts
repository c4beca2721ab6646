/**
 * The last moment a stamp can tell, µs since the epoch: where unsigned 32-bit seconds end, in 2106. No log is younger,
 * and every time up to here, with some seconds added, fits into an event.
 */
export const LATEST_TIME_US = (2 ** 32 - 1) * 1_000_000;

/** A whole µs between the epoch and the last moment a stamp can tell. */
export function isTimeUs(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= LATEST_TIME_US;
}

/** `2026-11-23T01:11:48.345678Z` */
export function rfc3339(at_us: number): string {
  const seconds = Math.floor(at_us / 1e6);
  const micros = String(at_us - seconds * 1e6).padStart(6, '0');
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros}Z`;
}

/** `01:11:48.345`, UTC */
export function clockTime(at_us: number): string {
  return rfc3339(at_us).slice(11, 23);
}

/** `2026-11-23`, UTC */
export function dateOf(at_us: number): string {
  return rfc3339(at_us).slice(0, 10);
}
