import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createState, decide, evolve } from '../../src/correlate/correlate.js';
import type { Event } from '../../src/events/event.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { openStore, type Store } from '../../src/store/store.js';
import { append, openLog, storeAll } from './running.js';
import { itemsOf } from './support.js';

let work = '';
let store: Store;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'migration-audit-store-role-'));
  store = await openStore({ path: join(work, 'store') });
});
afterAll(async () => {
  await store.close();
  await rm(work, { recursive: true, force: true });
});

const sorted = (items: readonly unknown[]) => items.map((item) => JSON.stringify(item)).sort();

function reportOn(events: readonly Event[]) {
  const state = createState();
  for (const event of events) evolve(state, event);
  return decide(state);
}

describe('the store role', () => {
  it('keeps every event and what the processor says', async () => {
    const { events } = simulate(randomPlan(3, { complete: true }));
    const log = openLog(join(work, 'log'));
    await append(log, [...events, Buffer.from('no event')]);
    await storeAll(log, async () => store);
    await log.close();
    const ids = [...new Set(events.map(({ id }) => id))];
    expect((await store.events(ids)).length).toBe(ids.length);
    const cluster = events[0]?.cluster ?? '';
    const [stored, expected] = [itemsOf(await store.report(cluster)), itemsOf(reportOn(events))];
    for (const table of ['migrations', 'relabels', 'findings', 'timeline'] as const)
      expect(sorted(stored[table]), table).toEqual(sorted(expected[table]));
  });
});
