import { describe, expect, it } from 'vitest';
import { createState, decide, evolve } from '../../src/correlate/correlate.js';
import { groupBy } from '../../src/domain/group.js';
import type { Report } from '../../src/domain/report.js';
import { decodeDeadLetter, encodeEvent } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import { duplicate, shuffle } from '../../src/sim/disturb.js';
import { Random } from '../../src/sim/random.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { sampleEvent } from '../events/sample-events.js';
import { conclusionsIn, itemOf, itemsOf, nameOf, Partition } from './support.js';

const FIXED_SEEDS = Array.from({ length: 12 }, (_, seed) => seed);
const SEEDS = [...FIXED_SEEDS, 1e6 + Math.floor(Math.random() * 1e9)];

const eventsOf = (seed: number) => simulate(randomPlan(seed, { complete: true })).events;

function reportOn(events: readonly Event[]): Report {
  const state = createState();
  for (const event of events) evolve(state, event);
  return decide(state);
}

async function inBatches(partition: Partition, events: readonly Event[], random: Random): Promise<void> {
  for (let from = 0; from < events.length; ) {
    const size = random.pick([1, 7, 50, 400]);
    await partition.take(events.slice(from, from + size));
    if (random.chance(0.2)) await partition.restart();
    from += size;
  }
}

async function started(): Promise<Partition> {
  const partition = new Partition();
  await partition.restart();
  return partition;
}

/** The items of a table, whatever their order. */
const sorted = (items: readonly unknown[]) => items.map((item) => JSON.stringify(item)).sort();

describe('what the processor says in the end', () => {
  it.each(SEEDS)(
    'is the report on all events, less heartbeats and what concerns no guest (seed %i)',
    async (seed) => {
      const events = eventsOf(seed);
      const partition = await started();
      await inBatches(partition, events, new Random(seed));
      const expected = itemsOf(reportOn(events));
      const held = [...partition.holds().values()];
      for (const table of ['migrations', 'relabels', 'findings', 'timeline'] as const) {
        const said = held.filter((each) => each.table === table).map(({ item }) => item);
        expect(sorted(said), table).toEqual(sorted(expected[table]));
      }
      const hosts = held
        .filter(({ table }) => table === 'hosts')
        .map(({ item }) => item as { gaps: unknown[] });
      const gaps = (all: readonly unknown[]) => sorted(all.map((host) => (host as { gaps: unknown }).gaps));
      expect(gaps(hosts)).toEqual(gaps(expected.hosts));
    },
  );

  it.each(SEEDS)('is the same for any order, repetition and batches (seed %i)', async (seed) => {
    const events = eventsOf(seed);
    const random = new Random(seed);
    const [one, other] = [await started(), await started()];
    await one.take(events);
    await inBatches(other, duplicate(shuffle(events, random), random), random);
    expect([...other.holds()]).toEqual([...one.holds()]);
  });

  it('is in the order of each guest', async () => {
    const events = eventsOf(3);
    const partition = await started();
    await inBatches(partition, shuffle(events, new Random(3)), new Random(3));
    const said = [...partition.said().values()].filter(
      (each) => each.table === 'timeline' && !each.retracted,
    );
    const guestOf = (item: Record<string, unknown>) => JSON.stringify(item['guest']);
    const byGuest = groupBy(said, (each) => guestOf(itemOf(each)));
    const expected = groupBy(reportOn(events).timeline, (entry) => JSON.stringify(entry.guest));
    for (const [guest, entries] of expected) {
      const ordered = (byGuest.get(guest) ?? []).sort((a, b) => a.order_us - b.order_us || a.place - b.place);
      expect(ordered.map(itemOf)).toEqual(entries);
    }
  });
});

describe('revisions', () => {
  it('count what is said differently, versions every record', async () => {
    for (const seed of FIXED_SEEDS) {
      const partition = await started();
      await inBatches(partition, eventsOf(seed), new Random(seed));
      for (const records of groupBy(conclusionsIn(partition.outputs), nameOf).values()) {
        expect(records.map(({ version }) => version)).toEqual(records.map((_, index) => index + 1));
        for (const [index, record] of records.entries()) {
          const before = records[index - 1];
          const saysElse = before === undefined || before.digest !== record.digest;
          expect(record.revision).toBe((before?.revision ?? 0) + (saysElse ? 1 : 0));
          if (record.retracted) expect(record.item.length).toBe(0);
        }
      }
    }
  });

  it('are not made by the same events again, nor by a restart', async () => {
    const partition = await started();
    const events = eventsOf(5);
    await inBatches(partition, events, new Random(5));
    const state = new Map(partition.state);
    await partition.restart();
    expect(await partition.takeBytes([...events, ...events].map(encodeEvent))).toEqual([]);
    expect(partition.state).toEqual(state);
  });

  it('go on after a restart where they were', async () => {
    const events = eventsOf(7);
    const [steady, restarted] = [await started(), await started()];
    for (let from = 0; from < events.length; from += 100) {
      await steady.take(events.slice(from, from + 100));
      await restarted.take(events.slice(from, from + 100));
      await restarted.restart();
    }
    expect(restarted.outputs).toEqual(steady.outputs);
  });

  it('take back what is no longer so, and say it again when it is', async () => {
    const partition = await started();
    const events = eventsOf(2).filter(({ kind }) => kind !== 'HostFactsRead');
    const facts = eventsOf(2).filter(({ kind }) => kind === 'HostFactsRead');
    await partition.take(events);
    const before = [...partition.said().values()];
    const sayings = await partition.take(facts);
    expect(sayings.length).toBeGreaterThan(0);
    const gone = before.filter((each) => partition.said().get(nameOf(each))?.retracted);
    const reported = new Set(reportOn([...events, ...facts]).findings.map(({ id }) => id));
    for (const { table, id } of gone) if (table === 'findings') expect(reported.has(id)).toBe(false);
  });
});

describe('what cannot be read', () => {
  const events = eventsOf(4).slice(0, 40);
  const newer = encodeEvent(sampleEvent('Heartbeat'));
  newer.set([0xef, 0xbe, 0xad, 0xde, 0, 0, 0, 0], 2);
  const POISON = {
    'no Avro at all': Buffer.from('{"cluster":"lab"}'),
    nothing: Buffer.alloc(0),
    'an event cut short': encodeEvent(events[0] as Event).subarray(0, 30),
    'an event of a newer version': newer,
  };

  it.each(Object.entries(POISON))('%s goes to dead-letters, wherever it stands', async (_, poison) => {
    const untouched = await started();
    await untouched.take(events);
    for (let at = 0; at <= events.length; at++) {
      const partition = await started();
      const values = events.map(encodeEvent);
      values.splice(at, 0, poison);
      await partition.takeBytes(values);
      expect(partition.holds()).toEqual(untouched.holds());
      const letters = partition.outputs.filter(({ topic }) => topic === 'dead-letters');
      expect(letters.map(({ record }) => decodeDeadLetter(record.value))).toEqual([
        expect.objectContaining({
          group: 'correlate',
          topic: 'events',
          offset: at,
          key: 'lab',
          value: poison,
        }),
      ]);
    }
  });

  it('in its state stops it: what it knew must not be taken for less', async () => {
    const partition = await started();
    await partition.take(events);
    const [key] = [...partition.state.keys()].filter((each) => each.includes('"event"'));
    partition.state.set(key as string, newer);
    await expect(partition.restart()).rejects.toMatchObject({ code: 'MA_UNKNOWN_SCHEMA' });
    partition.state.delete(key as string);
    partition.state.set('not a key', Buffer.from('x'));
    await expect(partition.restart()).rejects.toMatchObject({ code: 'MA_BAD_RECORD' });
  });
});

describe('clusters', () => {
  it('share a partition without touching each other, even with hosts of the same names', async () => {
    const events = eventsOf(6);
    const renamed = events.map((event) => ({ ...event, cluster: 'other' }));
    const [alone, shared] = [await started(), await started()];
    await alone.take(events);
    await inBatches(shared, new Random(1).shuffled([...events, ...renamed]), new Random(2));
    const own = [...shared.holds()].filter(([, { cluster }]) => cluster !== 'other');
    expect(own).toEqual([...alone.holds()]);
    expect(shared.holds().size).toBe(2 * own.length);
  });
});
