/** What one host's clock shows, as a function of true time. Both in µs since the epoch. */
export interface ClockPlan {
  /** shown minus true at the beginning */
  offset_us: number;
  /** how much faster than true time it runs, in parts per million */
  drift_ppm: number;
  /** corrections by an administrator or by NTP: from `after_us` of true time on, `by_us` is added */
  steps: { after_us: number; by_us: number }[];
}

export const TRUE_CLOCK: ClockPlan = { offset_us: 0, drift_ppm: 0, steps: [] };

/** @param elapsed_us true time since the beginning of the history */
export function shownBy(clock: ClockPlan, began_us: number, elapsed_us: number): number {
  let shown = began_us + elapsed_us + clock.offset_us + Math.round((elapsed_us * clock.drift_ppm) / 1e6);
  for (const step of clock.steps) if (elapsed_us >= step.after_us) shown += step.by_us;
  return shown;
}
