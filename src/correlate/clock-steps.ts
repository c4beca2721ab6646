/** Stamps of one stream go back by some ms when writers race; by more than this only when the clock was set. */
export const CLOCK_STEP_US = 2_000_000;

/** The clock was set back: the last stamp before, the first after, where in the stream. */
interface Step {
  index: number;
  before: number;
  after: number;
}

/** One stream's times on the host's corrected scale, and what the next stamp of it will be corrected by. */
export interface CorrectedStream {
  /** µs, ascending */
  times: number[];
  /** what is added to stamps at its end; null where a step of the clock may still lie ahead of it */
  offset_us: number | null;
  /** latest stamp since the last step that shows in it */
  latest_us: number;
}

/**
 * Times of one host's streams on one scale that never goes back, though the host's clock was set meanwhile. All
 * streams are stamped by the same clock, so a step that shows in one happened in all: a stream that wrote little
 * may not show it, or show less of it than its size.
 *
 * @param streams stamps of each stream, in the order of writing; µs
 */
export function correctedTimes(streams: readonly (readonly number[])[]): CorrectedStream[] {
  const steps = streams.map(stepsOf);
  const reference = steps.reduce((most, each) => (each.length > most.length ? each : most), [] as Step[]);
  const sizes = reference.map((step) => step.before - step.after);
  for (const own of steps) {
    for (const [step, position] of matches(own, reference)) {
      const size = step.before - step.after;
      sizes[position] = Math.max(sizes[position] as number, size);
    }
  }
  return streams.map((stamps, i) => ({
    ...applied(stamps, steps[i] as Step[], reference, sizes),
    latest_us: stamps
      .slice(steps[i]?.at(-1)?.index ?? 0)
      .reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
  }));
}

function stepsOf(stamps: readonly number[]): Step[] {
  const steps: Step[] = [];
  let latest = Number.NEGATIVE_INFINITY;
  for (const [index, at] of stamps.entries()) {
    if (latest - at > CLOCK_STEP_US) {
      steps.push({ index, before: latest, after: at });
      latest = at;
    } else latest = Math.max(latest, at);
  }
  return steps;
}

/** Which of the reference's steps each own step is: the next one whose stretch of time it shares. */
function* matches(own: readonly Step[], reference: readonly Step[]): Iterable<[Step, number]> {
  let from = 0;
  for (const step of own) {
    const position = reference.findIndex(
      (each, index) => index >= from && each.after < step.before && step.after < each.before,
    );
    if (position < 0) continue;
    from = position + 1;
    yield [step, position];
  }
}

function applied(
  stamps: readonly number[],
  own: readonly Step[],
  reference: readonly Step[],
  sizes: readonly number[],
): Pick<CorrectedStream, 'times' | 'offset_us'> {
  const at = new Map<number, number>();
  for (const [step, position] of matches(own, reference)) at.set(step.index, position);
  const shown = new Set(at.values());
  const unmatched = new Map(own.filter((step) => !at.has(step.index)).map((step) => [step.index, step]));
  let passed = 0;
  let offset = 0;
  let latest = Number.NEGATIVE_INFINITY;
  const times = stamps.map((stamp, index) => {
    const position = at.get(index);
    const until = position === undefined ? passed : position + 1;
    for (; passed < until; passed++) offset += sizes[passed] as number;
    // a stream that does not show the step is past it once it is past the last time from before it
    const next = reference[passed];
    if (next && !shown.has(passed) && stamp > next.before) {
      offset += sizes[passed] as number;
      passed++;
    }
    const alone = unmatched.get(index);
    if (alone) offset += alone.before - alone.after;
    latest = Math.max(latest, stamp + offset);
    return latest;
  });
  return { times, offset_us: passed === reference.length ? offset : null };
}
