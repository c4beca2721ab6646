import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MigrationAuditError } from '../../src/domain/errors.js';
import type { Report } from '../../src/domain/report.js';
import type { Event } from '../../src/events/event.js';
import { embeddedClient } from '../../src/store/embedded.js';
import { openStore, type Store } from '../../src/store/store.js';
import { HOSTILE_NAME, SAMPLE_EVENTS, sampleEvent } from '../events/sample-events.js';
import { FINDING, MIGRATION, RELABEL, REPORT, T0 } from './sample-report.js';

/** On the real embedded engine; with CLICKHOUSE_URL set, on the server there (its tables are dropped first). */
const SERVER = process.env['CLICKHOUSE_URL'];
const TABLES = ['events', 'host_facts', 'hosts', 'timeline', 'relabels', 'migrations', 'findings'];

let directory: string;
let store: Store;

const clientOf = () => (SERVER === undefined ? embeddedClient(directory) : createClient({ url: SERVER }));
const open = async () => openStore({ client: await clientOf() });

async function sql(query: string): Promise<Record<string, unknown>[]> {
  const client = await clientOf();
  try {
    if (!/^SELECT/.test(query)) {
      await client.command({ query });
      return [];
    }
    return await (await client.query({ query, format: 'JSONEachRow' })).json();
  } finally {
    await client.close();
  }
}

async function errorOf(run: Promise<unknown>): Promise<MigrationAuditError> {
  const error = await run.then(
    () => null,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(MigrationAuditError);
  return error;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'migration-audit-store-'));
  if (SERVER !== undefined) {
    for (const table of [...TABLES, 'schema_migrations']) await sql(`DROP TABLE IF EXISTS ${table}`);
  }
  store = await open();
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  const client = await clientOf();
  for (const table of TABLES) await client.command({ query: `TRUNCATE TABLE ${table}` });
  await client.close();
});

/** what the store adds to a finding of a replay */
const REPLAYED = { cluster: 'lab', confirmed: null, waits_for: [] };

const without = (part: Partial<Report>): Report => ({ ...REPORT, ...part });

describe('events', () => {
  it('come back as they were, whatever their names and lines hold', async () => {
    await store.writeEvents(SAMPLE_EVENTS);
    expect(await store.events(SAMPLE_EVENTS.map((event) => event.id))).toEqual(SAMPLE_EVENTS);
  });

  it('count once however often they are imported, in whatever portions', async () => {
    await store.writeEvents(SAMPLE_EVENTS);
    const once = await store.counts();
    await store.writeEvents([...SAMPLE_EVENTS].reverse());
    for (const event of SAMPLE_EVENTS) await store.writeEvents([event]);
    expect(await store.counts()).toEqual(once);
    expect(once).toMatchObject({ events: SAMPLE_EVENTS.length, host_facts: 1 });
  });

  it('that were read in two forms are kept in the fuller one, in whatever order they come', async () => {
    const raw = sampleEvent('Heartbeat', { witness: Buffer.from('raw') });
    const enriched = sampleEvent('Heartbeat', { witness: Buffer.from('raw and enriched') });
    for (const event of [raw, enriched, raw]) await store.writeEvents([event]);
    expect(await store.events([raw.id])).toEqual([enriched]);
  });

  it('of impossible times are kept too', async () => {
    const events = [-(2 ** 51), -1, 0, 2 ** 51].map((at) => sampleEvent('Heartbeat', { at, id: `at ${at}` }));
    await store.writeEvents(events);
    expect(await store.events(events.map((event) => event.id))).toEqual(events);
  });

  it('spread over centuries are no more than a write', async () => {
    const month_us = 31 * 86_400_000_000;
    const events = Array.from({ length: 150 }, (_, i) =>
      sampleEvent('Heartbeat', { at: i * month_us, id: `${i}` }),
    );
    await store.writeEvents(events);
    expect((await store.counts()).events).toBe(150);
  });

  it('come by the ten thousands', async () => {
    const line = Buffer.alloc(200, 'x');
    function* many(): Iterable<Event> {
      for (let i = 0; i < 50_000; i++) {
        yield sampleEvent('LifecycleChanged', { at: T0 + i, id: `${i}`, sequence: i, witness: line });
      }
    }
    await store.writeEvents(many());
    expect((await store.counts()).events).toBe(50_000);
    expect((await store.events(['49999'])).map((event) => event.sequence)).toEqual([49_999]);
  });

  it('none at all is no error', async () => {
    await store.writeEvents([]);
    expect(await store.events(['nothing'])).toEqual([]);
    expect(await store.events([])).toEqual([]);
  });
});

describe('a report', () => {
  it('comes back as it was', async () => {
    await store.writeReport('lab', REPORT);
    expect(await store.report('lab')).toEqual(REPORT);
  });

  it('comes back in its own order, which is not that of the clocks', async () => {
    const [first, ...others] = REPORT.timeline;
    const late = { ...first!, at_us: T0 + 900_000_000, event: 'on a clock that is ahead' };
    const report = without({ timeline: [late, ...others], hosts: [...REPORT.hosts].reverse() });
    await store.writeReport('lab', report);
    expect(await store.report('lab')).toEqual(report);
  });

  it('that only puts its items in another order revises none', async () => {
    await store.writeReport('lab', REPORT);
    const reversed = without({
      timeline: [...REPORT.timeline].reverse(),
      hosts: [...REPORT.hosts].reverse(),
    });
    const changes = await store.writeReport('lab', reversed);
    expect(changes.hosts).toEqual({ added: 0, revised: 0, retracted: 0 });
    expect(await store.report('lab')).toEqual(reversed);
  });

  it('written again changes nothing, not even a row', async () => {
    const first = await store.writeReport('lab', REPORT);
    expect(first.findings).toEqual({ added: 1, revised: 0, retracted: 0 });
    const again = await store.writeReport('lab', structuredClone(REPORT));
    expect(Object.values(again)).toEqual(Array(5).fill({ added: 0, revised: 0, retracted: 0 }));
    expect((await store.counts()).timeline).toBe(REPORT.timeline.length);
  });

  it('of another cluster is another report', async () => {
    await store.writeReport('lab', REPORT);
    await store.writeReport("lab' OR 1=1 --", without({ findings: [] }));
    expect((await store.report("lab' OR 1=1 --")).findings).toEqual([]);
    expect(await store.report('lab')).toEqual(REPORT);
  });

  it('that says something else is the next revision', async () => {
    await store.writeReport('lab', REPORT);
    const resolved = {
      ...FINDING,
      state: 'resolved' as const,
      resolved_us: T0 + 50_000_000,
      exposure_ms: 1.5,
    };
    await store.writeReport('lab', without({ findings: [resolved] }));
    expect(await store.findings()).toEqual([{ ...resolved, ...REPLAYED, revision: 2 }]);
    expect((await store.counts()).findings).toBe(1);
  });

  it('keeps the revision it states when that is the higher one', async () => {
    await store.writeReport('lab', without({ findings: [{ ...FINDING, revision: 7 }] }));
    await store.writeReport('lab', without({ findings: [{ ...FINDING, severity: 'info', revision: 3 }] }));
    expect(await store.finding(FINDING.id)).toMatchObject({ severity: 'info', revision: 8 });
  });

  it('that moves a finding in time replaces it all the same', async () => {
    await store.writeReport('lab', REPORT);
    await store.writeReport('lab', without({ findings: [{ ...FINDING, opened_us: T0 + 90_000_000 }] }));
    expect(await store.findings()).toMatchObject([{ opened_us: T0 + 90_000_000, revision: 2 }]);
  });
});

describe('what a later report no longer says', () => {
  it('stands as retracted, and is no part of the report', async () => {
    await store.writeReport('lab', REPORT);
    const changes = await store.writeReport('lab', {
      hosts: REPORT.hosts,
      migrations: [],
      relabels: [],
      findings: [],
      timeline: REPORT.timeline.slice(1),
    });
    expect(changes.findings.retracted).toBe(1);
    expect(await store.findings()).toEqual([{ ...FINDING, ...REPLAYED, state: 'retracted', revision: 2 }]);
    expect(await store.report('lab')).toMatchObject({ migrations: [], relabels: [], findings: [] });
    const { findings, relabels, migrations, timeline } = await store.counts();
    expect({ findings, relabels, migrations, timeline }).toEqual({
      findings: 0,
      relabels: 0,
      migrations: 0,
      timeline: REPORT.timeline.length - 1,
    });
  });

  it('can come back, as a further revision', async () => {
    await store.writeReport('lab', REPORT);
    await store.writeReport('lab', without({ findings: [] }));
    await store.writeReport('lab', REPORT);
    expect(await store.findings()).toEqual([{ ...FINDING, ...REPLAYED, revision: 3 }]);
  });

  it('stays when that report had not read every host it rests on', async () => {
    await store.writeReport('lab', REPORT);
    const onlyHostb = without({ hosts: REPORT.hosts.filter((h) => h.host === 'hostb') });
    await store.writeReport('lab', { ...onlyHostb, findings: [] });
    expect(await store.findings()).toMatchObject([{ state: 'open', revision: 1 }]);
    const lesser = { ...FINDING, verdict: 'undetermined' as const, owner: null };
    await store.writeReport('lab', { ...onlyHostb, findings: [lesser] });
    expect(await store.findings()).toMatchObject([{ verdict: 'violation', revision: 1 }]);
  });

  it('stays when it lies outside the times that the report had read', async () => {
    await store.writeReport('lab', REPORT);
    const later = REPORT.hosts.map((host) => ({ ...host, first_us: T0 + 30_000_000 }));
    const empty = { hosts: later, migrations: [], relabels: [], findings: [], timeline: [] };
    await store.writeReport('lab', empty);
    expect(await store.report('lab')).toEqual({ ...REPORT, hosts: later });
  });
});

describe('findings', () => {
  const other = {
    ...FINDING,
    id: 'finding/2',
    host: 'hosta',
    owner: null,
    guest: { uuid: null, name: "it's \\ other" },
    severity: 'info' as const,
    opened_us: T0 + 11_000_000,
  };
  beforeEach(async () => {
    await store.writeReport('lab', without({ findings: [FINDING, other] }));
  });
  const idsOf = async (filter: Parameters<Store['findings']>[0]) =>
    (await store.findings(filter)).map((found) => found.id);

  it('come newest first, and no more than asked for', async () => {
    expect(await idsOf({})).toEqual([other.id, FINDING.id]);
    expect(await idsOf({ limit: 1 })).toEqual([other.id]);
  });

  it.each([
    ['guest by UUID', { guest: FINDING.guest.uuid as string }, [FINDING.id]],
    ['guest by hostile name', { guest: HOSTILE_NAME }, [FINDING.id]],
    ['guest by name with quote and backslash', { guest: "it's \\ other" }, [other.id]],
    ['guest that is an injection', { guest: "' OR 1=1 --" }, []],
    ['no name: nobody has that one', { guest: '' }, []],
    ['no host: nobody is that one', { host: '' }, []],
    ['host, as culprit or owner', { host: 'hosta' }, [other.id, FINDING.id]],
    ['severity', { severities: ['critical' as const] }, [FINDING.id]],
    ['no severity at all', { severities: [] }, []],
    ['cause', { causes: ['second-start' as const] }, []],
    [
      'verdict and state',
      { verdicts: ['violation' as const], states: ['open' as const] },
      [other.id, FINDING.id],
    ],
    [
      'times, both ends included',
      { opened_from_us: FINDING.opened_us, opened_to_us: FINDING.opened_us },
      [FINDING.id],
    ],
    ['cluster', { cluster: 'elsewhere' }, []],
  ])('by %s', async (_, filter, ids) => {
    expect(await idsOf(filter)).toEqual(ids);
  });

  it('one by its id, however odd the id is', async () => {
    expect(await store.finding(FINDING.id)).toEqual({ ...FINDING, ...REPLAYED });
    const error = await errorOf(store.finding("x' OR 1=1 --"));
    expect([error.code, error.where]).toEqual(['MA_NOT_IN_STORE', "finding x' OR 1=1 --"]);
  });
});

describe('the timeline', () => {
  beforeEach(async () => {
    await store.writeReport('lab', REPORT);
  });
  const ofGuest = REPORT.timeline.slice(0, 5);

  it('of a guest, by UUID or name, as it was written', async () => {
    expect(await store.timelineOf({ guest: FINDING.guest.uuid as string })).toEqual(ofGuest);
    expect(await store.timelineOf({ guest: HOSTILE_NAME })).toEqual(ofGuest);
  });

  it('of a migration: its guest on its two hosts', async () => {
    expect(await store.timelineOf({ migration: MIGRATION.id })).toEqual(ofGuest);
  });

  it('of a finding: its guest, and its relabels', async () => {
    expect(await store.timelineOf({ finding: FINDING.id })).toEqual(ofGuest);
    const nameless = { ...FINDING, guest: { uuid: null, name: null } };
    await store.writeReport('lab', without({ findings: [nameless] }));
    const events = (await store.timelineOf({ finding: FINDING.id })).map((entry) => entry.event);
    expect(events).toEqual([RELABEL.id]);
  });

  it('of what is not there is an error, not an empty page', async () => {
    for (const of of [{ guest: 'nobody' }, { migration: 'none' }, { finding: 'none' }]) {
      expect((await errorOf(store.timelineOf(of))).code).toBe('MA_NOT_IN_STORE');
    }
  });
});

describe('plain SQL', () => {
  it('sees times and escaped names', async () => {
    await store.writeReport('lab', REPORT);
    const rows = await sql('SELECT toString(at) AS at, summary FROM findings FINAL');
    const shown = '/srv/i\\x00m"g\'\\\\\\x0a\\x09$(x)é😀 \\xff\\xed\\xa0\\x80';
    expect(rows).toEqual([{ at: '2025-07-20 08:26:50.000000', summary: `hostb took ${shown} away` }]);
  });
});

describe('a store', () => {
  it('that is closed waits for what runs, refuses the rest, and opens again with everything in it', async () => {
    const writing = store.writeEvents(SAMPLE_EVENTS.slice(0, 1));
    const closing = store.close();
    await Promise.all([writing, closing, store.close()]);
    const error = await errorOf(store.counts());
    expect([error.code, error.message]).toEqual(['MA_STORE', 'the store refused: it is closed']);
    store = await open();
    expect((await store.counts()).events).toBe(1);
  });

  it('of a newer version is refused', async () => {
    await sql("INSERT INTO schema_migrations (number, file, checksum) VALUES (999, '999-x.sql', 'x')");
    await store.close();
    const error = await errorOf(open());
    expect([error.code, error.message]).toEqual([
      'MA_STORE',
      'the store refused: it was made by a newer version of migration-audit',
    ]);
    await sql('ALTER TABLE schema_migrations DELETE WHERE number = 999 SETTINGS mutations_sync = 2');
    store = await open();
  });

  it.skipIf(SERVER !== undefined)('in another directory is refused while this one is open', async () => {
    const error = await errorOf(openStore({ path: `${directory}-other` }));
    expect([error.code, error.message]).toEqual([
      'MA_NO_STORE',
      'the embedded store cannot be opened: this process has a store open in another directory',
    ]);
    await rm(`${directory}-other`, { recursive: true, force: true });
  });

  it.skipIf(SERVER !== undefined)('that another process has open is refused', () => {
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../../src/store/store.ts', import.meta.url).href)};
      try { await openStore({ path: ${JSON.stringify(directory)} }); } catch (error) { console.log(error.code, error.message); }
      process.exit();`;
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(stdout.trim()).toBe(
      'MA_NO_STORE the embedded store cannot be opened: the directory is in use, damaged or not writable',
    );
  });
});
