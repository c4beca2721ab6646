import { type RunProgram, runProgram } from '../process/run-program.js';

/** How far this host's clock is off. */
export interface ClockState {
  /** this clock minus true time, µs */
  offset_us: number;
  /** most that the offset itself can be wrong by, µs */
  uncertainty_us: number;
}

const LIMITS = { timeout_ms: 5_000, output_bytes_max: 16 * 1024 };
const CHRONYC = '/usr/bin/chronyc';

/**
 * What chrony knows of this clock; null where it does not run or is not synchronised. The bound is chrony's own for its
 * clock: root dispersion and half of the root delay. Takes a process: ask once a minute, not with every heartbeat.
 */
export async function clockState(
  signal?: AbortSignal,
  run: RunProgram = runProgram,
  chronyc = CHRONYC,
): Promise<ClockState | null> {
  const { failure, stdout } = await run(chronyc, ['-n', 'tracking'], { ...LIMITS, signal });
  return failure === null ? parseTracking(stdout.toString('latin1')) : null;
}

/**
 * `chronyc tracking`, in words: they say of the sign what it means.
 *
 *     System time     : 0.000012345 seconds slow of NTP time
 *     Root delay      : 0.001234567 seconds
 *     Root dispersion : 0.000567890 seconds
 *     Leap status     : Normal
 */
function parseTracking(text: string): ClockState | null {
  const fields = new Map(
    text.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
  const system = /^(\d+\.\d+) seconds (slow|fast) of NTP time$/.exec(fields.get('System time') ?? '');
  const delay_us = secondsToUs(fields.get('Root delay'));
  const dispersion_us = secondsToUs(fields.get('Root dispersion'));
  const status = fields.get('Leap status');
  if (system === null || delay_us === null || dispersion_us === null) return null;
  if (status === undefined || status === 'Not synchronised') return null;
  const size_us = Number(system[1]) * 1e6;
  const offset_us = Math.round(system[2] === 'fast' ? size_us : -size_us);
  return { offset_us, uncertainty_us: Math.ceil(dispersion_us + delay_us / 2) };
}

function secondsToUs(text: string | undefined): number | null {
  const match = /^(\d+\.\d+) seconds$/.exec(text ?? '');
  return match === null ? null : Number(match[1]) * 1e6;
}
