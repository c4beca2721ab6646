import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createState, decide, evolve } from '../../src/correlate/correlate.js';
import type { LogRecord } from '../../src/eventlog/port.js';
import { decodeDeadLetter, encodeConclusion } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { openStore, type Store } from '../../src/store/store.js';
import { StoreWriter } from '../../src/stream/store-writer.js';
import { SAMPLE_CONCLUSIONS } from '../events/sample-records.js';
import { FINDING } from '../store/sample-report.js';
import { append, openLog, storeAll, telemetry } from './running.js';
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

describe('a record that cannot be stored', () => {
  const said = {
    ...(SAMPLE_CONCLUSIONS[0] as (typeof SAMPLE_CONCLUSIONS)[number]),
    cluster: 'poisoned',
    item: Buffer.from(JSON.stringify(FINDING)),
  };
  const good = Array.from({ length: 9 }, (_, i) => encodeConclusion({ ...said, id: `F-${i}` }));
  const POISON = {
    'no conclusion': [Buffer.from('{}'), 'bad-event'],
    'a row that ClickHouse does not take': [encodeConclusion({ ...said, place: -1 }), 'refused-by-store'],
  } as const;

  it.each(Object.entries(POISON))(
    '%s becomes a dead letter, wherever it stands',
    async (_, [poison, reason]) => {
      for (let at = 0; at <= good.length; at += 3) {
        const batch = [...good.slice(0, at), poison, ...good.slice(at)].map(
          (value, offset): LogRecord => ({
            topic: 'findings',
            partition: 0,
            offset,
            key: 'poisoned',
            value,
            appended_us: 1,
          }),
        );
        const outputs = await writerOf('findings').take(batch);
        expect(outputs.map(({ record }) => decodeDeadLetter(record.value))).toEqual([
          expect.objectContaining({ reason, group: 'store', topic: 'findings', offset: at, value: poison }),
        ]);
        expect((await store.findings({ cluster: 'poisoned' })).length).toBe(good.length);
      }
    },
  );
});

it('an event that only who knows the schema registry can read is kept here too, any other is seen to elsewhere', async () => {
  const batch = [Buffer.from([0, 0, 0, 0, 7, 1, 2]), Buffer.from('no event')].map(
    (value, offset): LogRecord => ({
      topic: 'events',
      partition: 0,
      offset,
      key: 'lab',
      value,
      appended_us: 1,
    }),
  );
  const outputs = await writerOf('events').take(batch);
  expect(outputs.map(({ record }) => decodeDeadLetter(record.value))).toEqual([
    expect.objectContaining({ reason: 'unknown-schema', group: 'store', topic: 'events', offset: 0 }),
  ]);
});

describe('conclusions', () => {
  it('written again, in part, or in another order change nothing', async () => {
    const said = SAMPLE_CONCLUSIONS.map((each) => ({
      ...each,
      cluster: 'again',
      id: 'F-again',
      item: each.retracted ? each.item : Buffer.from(JSON.stringify({ ...FINDING, id: 'F-again' })),
    }));
    const [provisional, confirmed, retracted] = said as [
      (typeof said)[number],
      (typeof said)[number],
      (typeof said)[number],
    ];
    const found = async () => (await store.findings({ cluster: 'again' })).map(({ id: _, ...rest }) => rest);
    await store.writeSaid([provisional]);
    expect(await found()).toMatchObject([
      { state: 'open', revision: 2, confirmed: false, waits_for: ['hosta'] },
    ]);
    await store.writeSaid([confirmed]);
    await store.writeSaid([provisional]);
    expect(await found()).toMatchObject([{ state: 'open', revision: 2, confirmed: true, waits_for: [] }]);
    for (const some of [said, [retracted], [provisional, confirmed], [retracted, provisional]]) {
      await store.writeSaid(some);
      expect(await found()).toMatchObject([
        { state: 'retracted', revision: 3, confirmed: null, summary: FINDING.summary },
      ]);
    }
  });

  it('that a finding was and is no more, learnt at once, still leave it to be seen', async () => {
    const [said, , gone] = SAMPLE_CONCLUSIONS.map((each) => ({ ...each, cluster: 'at once', id: 'F-once' }));
    const item = Buffer.from(JSON.stringify({ ...FINDING, id: 'F-once' }));
    await store.writeSaid([{ ...said!, item }, gone!]);
    expect(await store.findings({ cluster: 'at once' })).toMatchObject([{ state: 'retracted', revision: 3 }]);
  });
});

function writerOf(topic: 'events' | 'findings'): StoreWriter {
  const { metrics, health, logger } = telemetry();
  return new StoreWriter({
    store,
    topic,
    options: { batch_records_max: 100, batch_bytes_max: 1 << 20, write_every_ms: 0 },
    metrics,
    condition: health.condition('store'),
    logger,
    signal: new AbortController().signal,
    begun: () => {},
  });
}
