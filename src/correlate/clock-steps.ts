import type { Event } from '../events/event.js';

/** Stamps of one stream go back by some ms when writers race; by more than this only when the clock was set. */
export const CLOCK_STEP_US = 2_000_000;

/** The clock was set back: the last stamp before, the first after, where in the stream. */
interface Step {
  index: number;
  before: number;
  after: number;
}

/**
 * Times of one host's streams on one scale that never goes back, though the host's clock was set meanwhile. All
 * streams are stamped by the same clock, so a step that shows in one happened in all: a stream that wrote little
 * may not show it, or show less of it than its size.
 *
 * @param streams events of each stream, in the order of writing
 * @returns for each stream the corrected times, µs
 */
export function correctedTimes(streams: readonly Event[][]): number[][] {
  const steps = streams.map(stepsOf);
  const reference = steps.reduce((most, each) => (each.length > most.length ? each : most), [] as Step[]);
  const sizes = reference.map((step) => step.before - step.after);
  for (const own of steps) {
    for (const [step, position] of matches(own, reference)) {
      const size = step.before - step.after;
      sizes[position] = Math.max(sizes[position] as number, size);
    }
  }
  return streams.map((events, i) => applied(events, steps[i] as Step[], reference, sizes));
}

function stepsOf(events: readonly Event[]): Step[] {
  const steps: Step[] = [];
  let latest = Number.NEGATIVE_INFINITY;
  for (const [index, { at }] of events.entries()) {
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
  events: readonly Event[],
  own: readonly Step[],
  reference: readonly Step[],
  sizes: readonly number[],
): number[] {
  const at = new Map<number, number>();
  for (const [step, position] of matches(own, reference)) at.set(step.index, position);
  const unmatched = new Map(own.filter((step) => !at.has(step.index)).map((step) => [step.index, step]));
  let passed = 0;
  let offset = 0;
  let latest = Number.NEGATIVE_INFINITY;
  return events.map((event, index) => {
    const position = at.get(index);
    const until = position === undefined ? passed : position + 1;
    for (; passed < until; passed++) offset += sizes[passed] as number;
    // a stream that does not show the step is past it once it is past the last time from before it
    const next = reference[passed];
    if (next && ![...at.values()].includes(passed) && event.at > next.before) {
      offset += sizes[passed] as number;
      passed++;
    }
    const alone = unmatched.get(index);
    if (alone) offset += alone.before - alone.after;
    latest = Math.max(latest, event.at + offset);
    return latest;
  });
}
