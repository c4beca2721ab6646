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

/** A time in which it is not known what came before what; µs on the corrected scale. */
export interface Unsettled {
  from_us: number;
  until_us: number;
}

/** Where a stamp stands on the host's corrected scale that is in no stream which shows the steps of the clock. */
export class CorrectedClock {
  /** stretches of the scale in which events of several streams can stand in another order than they were written */
  readonly unsettled: readonly Unsettled[];
  private readonly steps: readonly (Omit<Step, 'index'> & { offset_us: number; size_us: number })[];

  constructor(steps: CorrectedClock['steps'], unsettled: readonly Unsettled[]) {
    this.steps = steps;
    this.unsettled = unsettled;
  }

  get isSteady(): boolean {
    return this.steps.length === 0;
  }

  /** The clock showed this both before it was set back and after. */
  showedTwice(at_us: number): boolean {
    return this.steps.some(({ before, after }) => after < at_us && at_us <= before);
  }

  earliest(at_us: number): number {
    const next = this.steps.find(({ before }) => at_us <= before);
    if (next) return at_us + next.offset_us;
    return this.latest(at_us);
  }

  latest(at_us: number): number {
    const last = this.steps.findLast(({ after }) => at_us > after);
    return last ? at_us + last.offset_us + last.size_us : at_us;
  }
}

/**
 * Times of one host's streams on one scale that never goes back, though the host's clock was set meanwhile. All
 * streams are stamped by the same clock, so a step that shows in one happened in all: a stream that wrote little
 * may not show it, or show less of it than its size. What such a stream wrote at a time that the clock showed twice
 * can be from before the step or from after it.
 *
 * @param streams stamps of each stream, in the order of writing; µs
 * @param others stamps of what is in no stream of its own; µs
 */
export function correctedTimes(
  streams: readonly (readonly number[])[],
  others: readonly number[] = [],
): { streams: CorrectedStream[]; clock: CorrectedClock } {
  const steps = streams.map(stepsOf);
  const reference = steps.reduce((most, each) => (each.length > most.length ? each : most), [] as Step[]);
  const sizes = reference.map((step) => step.before - step.after);
  for (const own of steps) {
    for (const [step, position] of matches(own, reference)) {
      const size = step.before - step.after;
      sizes[position] = Math.max(sizes[position] as number, size);
    }
  }
  const shownBy = steps.map((own) => new Set([...matches(own, reference)].map(([, position]) => position)));
  const isDoubtful = ({ before, after }: Step, position: number) =>
    [others, ...streams.filter((_, i) => !shownBy[i]?.has(position))].some((stamps) =>
      stamps.some((at) => after < at && at <= before),
    );
  const unsettled: Unsettled[] = [];
  let offset_us = 0;
  const known = reference.map((step, position) => {
    const [begun_us, size_us] = [offset_us, sizes[position] as number];
    offset_us += size_us;
    if (isDoubtful(step, position))
      unsettled.push({ from_us: begun_us + step.after, until_us: begun_us + step.before + size_us });
    return { before: step.before, after: step.after, offset_us: begun_us, size_us };
  });
  // a step that the stream of most steps does not show parts the two for good
  for (const [i, own] of steps.entries()) {
    if (own.length > (shownBy[i]?.size ?? 0))
      unsettled.push({ from_us: (own[0] as Step).after, until_us: Number.POSITIVE_INFINITY });
  }
  return {
    clock: new CorrectedClock(known, unsettled),
    streams: streams.map((stamps, i) => ({
      ...applied(stamps, steps[i] as Step[], reference, sizes),
      latest_us: stamps
        .slice(steps[i]?.at(-1)?.index ?? 0)
        .reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
    })),
  };
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
