import { createState, evolve } from '../../../src/correlate/correlate.js';
import { type Revision, revise } from '../../../src/correlate/revise.js';
import { type Report, timelineId } from '../../../src/domain/report.js';
import type { Event } from '../../../src/events/event.js';
import type { Random } from '../../../src/sim/random.js';

/** What a reader of revisions holds: every conclusion under its id, as JSON. */
export type Held = Map<string, string>;

/** Takes the events in by batches of chance and applies the revision after each. */
export function heldAfter(events: readonly Event[], random: Random): Held {
  const state = createState();
  const held: Held = new Map();
  const largest = random.chance(0.3) ? 200 : 12;
  for (let at = 0; at < events.length; ) {
    const batch = events.slice(at, at + random.between(1, largest));
    for (const event of batch) evolve(state, event);
    at += batch.length;
    for (const revision of revise(state)) apply(revision, held);
  }
  return held;
}

/** The same of a whole report. */
export function heldFrom(report: Report): Held {
  const held: Held = new Map();
  for (const [id, text] of itemsOf(report)) held.set(id, text);
  return held;
}

function apply(revision: Revision, held: Held): void {
  for (const kind of ['migrations', 'relabels', 'findings', 'timeline'] as const) {
    for (const id of revision.gone[kind]) {
      if (!held.delete(`${kind} ${id}`)) throw new Error(`${kind} ${id} is gone and was never told`);
    }
  }
  for (const [id, text] of itemsOf(revision)) held.set(id, text);
}

function* itemsOf(said: Report | Revision): Iterable<[string, string]> {
  for (const item of said.hosts) yield [`hosts ${item.host}`, JSON.stringify(item)];
  for (const item of said.migrations) yield [`migrations ${item.id}`, JSON.stringify(item)];
  for (const item of said.relabels) yield [`relabels ${item.id}`, JSON.stringify(item)];
  for (const item of said.findings) yield [`findings ${item.id}`, JSON.stringify(item)];
  for (const item of said.timeline) yield [`timeline ${timelineId(item)}`, JSON.stringify(item)];
}
