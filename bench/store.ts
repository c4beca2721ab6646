import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { Random } from '../src/sim/random.js';
import { openStore, type Store } from '../src/store/store.js';
import { startClickHouse } from '../test/services/clickhouse-server.js';
import { BEGAN_US, type FilledTable, fill, HOSTS, type TemplateRows, template } from './stored-fleet.js';

/**
 * How long questions to a big store take, and what its rows weigh on disk. The directory is kept: another run goes on
 * filling from where this one ended.
 *
 * Usage: node --import tsx bench/store.ts DIRECTORY MILLIONS [questions]
 */
const [directory = '', millions = '1', questions = '60'] = process.argv.slice(2);
const ROWS = Number(millions) * 1_000_000;
const QUESTIONS = Number(questions);
const DATABASE = 'migration_audit';
/** as many rows of these; of the others, what comes with them */
const LARGE: readonly FilledTable[] = ['timeline', 'events'];
const SMALL: readonly FilledTable[] = ['relabels', 'migrations', 'findings', 'hosts'];
/** the lab's incidents are all that it has; in a fleet few migrations come to a finding */
const SHARE: Partial<Record<FilledTable, number>> = { findings: 0.02 };
const MOST_COPIES: Partial<Record<FilledTable, number>> = { host_facts: 200 };
const HOUR_US = 3_600_000_000;

mkdirSync(directory, { recursive: true });
const server = await startClickHouse(directory);
const clientOf = (database: string) =>
  createClient({
    url: server.url,
    database,
    request_timeout: 600_000,
    log: { level: ClickHouseLogLevel.OFF },
  });
try {
  const rowsOfCopy = await template(clientOf);
  const plain = clientOf('default');
  await plain.command({ query: `CREATE DATABASE IF NOT EXISTS ${DATABASE}` });
  const measured = withReadRows(clientOf(DATABASE));
  const store = await openStore({ client: measured.client });
  await fillAll(plain, rowsOfCopy);
  await settled(plain);
  await printSizes(plain);
  await ask(store, measured, plain);
  await store.close();
  await plain.close();
} finally {
  await server.kill();
}

async function fillAll(plain: ClickHouseClient, rowsOfCopy: TemplateRows): Promise<void> {
  const client = clientOf(DATABASE);
  const tables = [...LARGE, ...SMALL, 'host_facts' as const];
  for (const table of tables) {
    const copies = Math.round(ROWS / rowsOfCopy[LARGE.includes(table) ? table : 'timeline']);
    const wanted = Math.min(Math.round(copies * (SHARE[table] ?? 1)), MOST_COPIES[table] ?? copies);
    const [there] = await select<{ rows: string }>(
      plain,
      `SELECT toString(count()) AS rows FROM ${DATABASE}.${table}`,
    );
    const from = table === 'hosts' ? 0 : Math.round(Number(there?.rows) / rowsOfCopy[table]);
    if (table === 'hosts' && Number(there?.rows) > 0) continue; // 10,000 of them, however many copies
    const began = performance.now();
    await fill(client, table, rowsOfCopy[table], { from, to: wanted });
    const seconds = (performance.now() - began) / 1000;
    if (wanted > from)
      console.log(`${table}: ${(wanted - from) * rowsOfCopy[table]} rows in ${seconds.toFixed(0)} s`);
  }
  await client.close();
}

async function settled(plain: ClickHouseClient): Promise<void> {
  for (let calm = 0; calm < 3; ) {
    const [merges] = await select<{ running: string }>(
      plain,
      'SELECT toString(count()) AS running FROM system.merges',
    );
    calm = merges?.running === '0' ? calm + 1 : 0;
    await sleep(1000);
  }
}

async function printSizes(plain: ClickHouseClient): Promise<void> {
  const rows = await select<Record<string, string>>(
    plain,
    `SELECT table, sum(parts.rows) AS all_rows, count() AS parts_now, round(sum(data_compressed_bytes) / all_rows, 1) AS bytes_a_row,
       round(sum(data_uncompressed_bytes) / all_rows) AS uncompressed, round(sum(secondary_indices_compressed_bytes) / all_rows, 2) AS of_indices
     FROM system.parts AS parts WHERE active AND database = '${DATABASE}' GROUP BY table ORDER BY table`,
  );
  console.table(rows);
  const columns = await select<Record<string, string>>(
    plain,
    `SELECT table, name, round(sum(data_compressed_bytes) / max(of.all_rows), 2) AS bytes_a_row FROM system.columns AS c
     INNER JOIN (SELECT table, sum(rows) AS all_rows FROM system.parts WHERE active AND database = '${DATABASE}' GROUP BY table) AS of ON of.table = c.table
     WHERE database = '${DATABASE}' AND table IN ('events', 'timeline') GROUP BY table, name HAVING bytes_a_row > 0.2 ORDER BY table, bytes_a_row DESC`,
  );
  console.table(columns);
}

interface Question {
  ask: () => Promise<{ length: number }>;
}

async function ask(store: Store, measured: Measured, plain: ClickHouseClient): Promise<void> {
  const random = new Random(1);
  const some = async (sql: string) => (await select<{ it: string }>(plain, sql)).map(({ it }) => it);
  const guests = await some(
    `SELECT DISTINCT guest_uuid AS it FROM ${DATABASE}.timeline WHERE guest_uuid != '' AND cityHash64(guest_uuid) % 50 = 0 LIMIT 300`,
  );
  const names = await some(
    `SELECT DISTINCT guest_name AS it FROM ${DATABASE}.timeline WHERE guest_name != '' AND cityHash64(guest_name) % 50 = 1 LIMIT 300`,
  );
  const findings = await some(`SELECT id AS it FROM ${DATABASE}.findings ORDER BY cityHash64(id) LIMIT 300`);
  const migrations = await some(
    `SELECT id AS it FROM ${DATABASE}.migrations ORDER BY cityHash64(id) LIMIT 300`,
  );
  const ofEvents = await some(
    `SELECT id AS it FROM ${DATABASE}.events WHERE host IN (SELECT host FROM ${DATABASE}.events LIMIT 1) LIMIT 300`,
  );
  const pick = (list: readonly string[]) => list[random.between(0, list.length - 1)] as string;
  const day = () => BEGAN_US + random.between(0, 320) * 24 * HOUR_US;
  const host = () => {
    const number = random.between(0, HOSTS - 1);
    return {
      cluster: `rack-${String(Math.floor(number / 100)).padStart(2, '0')}`,
      host: `hv-${String(number).padStart(5, '0')}`,
    };
  };
  const ofHost = (table: string, columns: string, hours: number) => async () => {
    const from = day();
    return select<unknown>(
      measured.client,
      `SELECT ${columns} FROM ${table} FINAL WHERE cluster = {cluster:String} AND host = {host:String} AND at_us BETWEEN {from:Int64} AND {to:Int64} ORDER BY at_us`,
      {
        ...host(),
        from,
        to: from + hours * HOUR_US,
      },
    );
  };
  const known: Record<string, Question> = {
    'timeline of a guest by UUID': { ask: () => store.timelineOf({ guest: pick(guests) }) },
    'timeline of a guest by name': { ask: () => store.timelineOf({ guest: pick(names) }) },
    'timeline of a finding': { ask: () => store.timelineOf({ finding: pick(findings) }) },
    'timeline of a migration': { ask: () => store.timelineOf({ migration: pick(migrations) }) },
    'findings of a day': {
      ask: () => {
        const from = day();
        return store.findings({ opened_from_us: from, opened_to_us: from + 24 * HOUR_US });
      },
    },
    'newest 50 findings': { ask: () => store.findings({ limit: 50 }) },
    'findings of a guest': { ask: () => store.findings({ guest: pick(guests) }) },
    'finding by id': { ask: async () => [await store.finding(pick(findings))] },
    'timeline of a host, a week': { ask: ofHost('timeline', 'at, kind, guest_name, text', 168) },
    'events of a host, a week': { ask: ofHost('events', 'at, kind, guest_name, body', 168) },
    'all hosts of a cluster': {
      ask: () =>
        select(
          measured.client,
          'SELECT host, events, gaps FROM hosts FINAL WHERE cluster = {cluster:String}',
          { cluster: host().cluster },
        ),
    },
    '20 events of a host by id': {
      ask: () => store.events(Array.from({ length: 20 }, () => pick(ofEvents))),
    },
  };
  const rows = [];
  for (const [name, { ask: put }] of Object.entries(known)) {
    for (let warming = 0; warming < 5; warming++) await put();
    const walls: number[] = [];
    let answered = 0;
    measured.reset();
    for (let asked = 0; asked < QUESTIONS; asked++) {
      const began = performance.now();
      answered += (await put()).length;
      walls.push(performance.now() - began);
    }
    walls.sort((a, b) => a - b);
    rows.push({
      question: name,
      p50_ms: Math.round(walls[walls.length >> 1] as number),
      p95_ms: Math.round(walls[Math.floor(walls.length * 0.95)] as number),
      rows_read: Math.round(measured.rows / QUESTIONS),
      rows_answered: Math.round(answered / QUESTIONS),
    });
  }
  console.table(rows);
}

interface Measured {
  client: ClickHouseClient;
  rows: number;
  reset(): void;
}

/** The client, and how many rows the engine read for what it was asked. */
function withReadRows(client: ClickHouseClient): Measured {
  const measured: Measured = {
    client,
    rows: 0,
    reset() {
      measured.rows = 0;
    },
  };
  const query = client.query.bind(client);
  client.query = (async (parameters: Parameters<typeof query>[0]) => {
    const answer = await query({
      ...parameters,
      clickhouse_settings: { ...parameters.clickhouse_settings, wait_end_of_query: 1 },
    });
    const summary = answer.response_headers['x-clickhouse-summary'];
    measured.rows += Number(JSON.parse(String(summary ?? '{}')).read_rows ?? 0);
    return answer;
  }) as typeof client.query;
  return measured;
}

async function select<T>(
  client: ClickHouseClient,
  query: string,
  query_params: Record<string, unknown> = {},
): Promise<T[]> {
  const answer = await client.query({ query, query_params, format: 'JSONEachRow' });
  return answer.json<T>();
}
