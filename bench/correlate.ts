import { createState, decide, evolve } from '../src/correlate/correlate.js';
import { revise } from '../src/correlate/revise.js';
import type { Event } from '../src/events/event.js';
import { fleetOf, withLateEvents } from './fleet.js';
import { bestOf, megabytes } from './measure.js';

/**
 * How many events a second the correlator takes in and judges, and whether that depends on the number of guests.
 * The ceiling is one keyed update of a Map for every event.
 * Usage: node --expose-gc --import tsx bench/correlate.ts [guests …]
 */
const GUESTS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10, 1_000, 100_000];
const RUNS = 3;
/** small fleets are judged again and again until this many events have been */
const EVENTS_MIN = 200_000;
const BATCHES = [1_000, 10_000];

for (const guests of GUESTS) {
  const { events } = fleetOf(guests);
  const late = withLateEvents(events);
  const repetitions = Math.max(1, Math.ceil(EVENTS_MIN / events.length));
  const runs = guests > 10_000 ? 1 : RUNS;
  const rate = (seconds: number) => (events.length * repetitions) / seconds;
  const measured = (run: () => void) =>
    rate(
      bestOf(runs, () => {
        for (let i = 0; i < repetitions; i++) run();
      }).seconds,
    );

  const ceiling = measured(() => updateOnly(events));
  console.log(
    `\n${guests} guests, ${events.length} events${repetitions === 1 ? '' : `, ${repetitions} times`}`,
  );
  print('one Map update each', ceiling, ceiling);
  print(
    'taken in',
    measured(() => takenIn(events)),
    ceiling,
  );
  for (const batch of BATCHES) {
    if (events.length <= batch) continue;
    print(
      `revised every ${batch}`,
      measured(() => revised(events, batch)),
      ceiling,
    );
    print(
      `the same, 1 % late`,
      measured(() => revised(late, batch)),
      ceiling,
    );
  }
  if (guests > 10_000) continue; // a report on so many at once needs more heap than Node gives
  print(
    'taken in and judged',
    measured(() => judged(events)),
    ceiling,
  );
  print(
    'the same, 1 % late',
    measured(() => judged(late)),
    ceiling,
  );
  if (globalThis.gc) printMemory(events, guests);
}

function updateOnly(events: readonly Event[]): void {
  const map = new Map<string, Event>();
  for (const event of events) map.set(event.id, event);
}

function takenIn(events: readonly Event[]) {
  const state = createState();
  for (const event of events) evolve(state, event);
  return state;
}

function judged(events: readonly Event[]): void {
  const report = decide(takenIn(events));
  if (report.relabels.length === 0) throw new Error('nothing was judged');
}

function revised(events: readonly Event[], batch: number) {
  const state = createState();
  for (const [index, event] of events.entries()) {
    evolve(state, event);
    if ((index + 1) % batch === 0) revise(state);
  }
  revise(state);
  return state;
}

/** What the state takes beside the events themselves. */
function printMemory(events: readonly Event[], guests: number): void {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const state = revised(events, 1_000);
  globalThis.gc?.();
  const bytes = process.memoryUsage().heapUsed - before;
  if (state.entries.size !== events.length) throw new Error('events were lost');
  console.log(
    `  memory beside the events ${megabytes(bytes)} MB, ${(bytes / guests / 1000).toFixed(1)} kB a guest`,
  );
}

function print(name: string, perSecond: number, ceiling: number): void {
  const thousands = (perSecond / 1000).toFixed(0).padStart(7);
  console.log(
    `  ${name.padEnd(22)} ${thousands} k events/s  ${((100 * perSecond) / ceiling).toFixed(1)} % of ceiling`,
  );
}
