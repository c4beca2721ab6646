import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onCluster, readStatements } from '../../src/store/ddl.js';
import { openStore } from '../../src/store/store.js';
import { ROOT } from '../architecture/source-tree.js';
import { SAMPLE_EVENTS } from '../events/sample-events.js';
import { type ClickHouseServer, startClickHouse } from '../services/clickhouse-server.js';
import { REPORT } from './sample-report.js';

/** What deploy/ and docs/guides/fleet.md say of a ClickHouse server, with a real one. */

const PASSWORDS = { MIGRATION_AUDIT_WRITER_PASSWORD: 'w', MIGRATION_AUDIT_READER_PASSWORD: 'r' };
const DATABASE = 'migration_audit';
const LOGINS = {
  administrator: { username: 'default', password: '' },
  writer: { username: 'migration_audit_writer', password: 'w' },
  reader: { username: 'migration_audit_reader', password: 'r' },
} as const;
type Login = keyof typeof LOGINS;

let directory: string;
let server: ClickHouseServer;
let clients: Record<Login, ClickHouseClient>;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'migration-audit-server-'));
  const file = join(directory, 'users-replicated.xml');
  writeFileSync(file, withReplication(readFileSync(join(ROOT, 'deploy/clickhouse/users.xml'), 'utf8')));
  const users = { file, passwords: PASSWORDS };
  server = await startClickHouse(join(directory, 'data'), undefined, users, join(directory, 'backups'));
  const clientOf = (login: Login) => clientFor(login, DATABASE);
  const plain = clientFor('administrator', 'default');
  await plain.command({ query: `CREATE DATABASE ${DATABASE}` });
  await plain.close();
  clients = {
    administrator: clientOf('administrator'),
    writer: clientOf('writer'),
    reader: clientOf('reader'),
  };
  const store = await openStore({ client: clientOf('writer') });
  await store.writeReport('lab', REPORT);
  await store.writeEvents(SAMPLE_EVENTS);
  await store.close();
});
afterAll(async () => {
  for (const client of Object.values(clients ?? {})) await client.close();
  await server?.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** The file as who replicates has it. */
function withReplication(users: string): string {
  return users
    .replace('<!-- replicated:', '')
    .replace('GRANT CLUSTER ON *.*</query>\n        -->', 'GRANT CLUSTER ON *.*</query>');
}

function clientFor(login: Login, database: string): ClickHouseClient {
  return createClient({
    url: server.url,
    database,
    ...LOGINS[login],
    log: { level: ClickHouseLogLevel.OFF },
  });
}

describe('the users of deploy/clickhouse/users.xml', () => {
  it.each<[Login, string]>([
    ['writer', 'DROP TABLE timeline'],
    ['writer', 'TRUNCATE TABLE timeline'],
    ['writer', 'DELETE FROM timeline WHERE 1'],
    ['writer', "ALTER TABLE events DROP PARTITION '202601'"],
    ['writer', "ALTER TABLE timeline UPDATE text = '' WHERE 1"],
    ['writer', 'ALTER TABLE timeline DROP COLUMN text'],
    ['writer', 'CREATE DATABASE other'],
    ['writer', 'CREATE TABLE other (a Int32) ENGINE = MergeTree ORDER BY a'],
    ['writer', "SELECT * FROM file('/etc/passwd', 'LineAsString')"],
    ['writer', 'SELECT * FROM system.users'],
    ['reader', "INSERT INTO timeline (cluster) VALUES ('x')"],
    ['reader', 'ALTER TABLE timeline ADD COLUMN other Int32'],
    ['reader', 'CREATE TABLE other (a Int32) ENGINE = ReplacingMergeTree ORDER BY a'],
    ['reader', 'SELECT * FROM system.users'],
  ])('keep a %s from: %s', async (login, query) => {
    await expect(clients[login].command({ query })).rejects.toThrow(/Not enough privileges/);
  });

  it('let a reader read what a writer wrote, whatever else it is', async () => {
    const store = await openStore({ client: clientFor('reader', DATABASE) });
    expect((await store.report('lab')).findings).toEqual(REPORT.findings);
    expect((await store.counts()).events).toBe(SAMPLE_EVENTS.length);
    await store.close();
  });

  it('have the grants for replicated tables where they are taken out of their comment', async () => {
    const shown = await clients.writer.query({ query: 'SHOW GRANTS', format: 'TabSeparatedRaw' });
    const grants = await shown.text();
    expect(grants).toMatch(/GRANT CLUSTER ON \*\.\* TO migration_audit_writer/);
    expect(grants).toMatch(/TABLE ENGINE ON ReplicatedReplacingMergeTree/);
    const create = readStatements().find(({ sql }) => /^CREATE TABLE/m.test(sql))?.sql as string;
    // it is not the grants that are in the way, but that a server of its own knows no cluster
    await expect(clients.writer.command({ query: onCluster(create, 'main') })).rejects.toThrow(
      /Requested cluster 'main' not found/,
    );
  });
});

it('everything is there again after BACKUP, the loss of the database, and RESTORE', async () => {
  const { administrator } = clients;
  const backup = "Disk('backups', 'migration-audit-2026-11-25')";
  const before = await fingerprints();
  await administrator.command({ query: `BACKUP DATABASE ${DATABASE} TO ${backup}` });
  await administrator.command({ query: `DROP DATABASE ${DATABASE} SYNC` });
  const plain = clientFor('administrator', 'default');
  await plain.command({ query: `RESTORE DATABASE ${DATABASE} FROM ${backup}` });
  await plain.close();
  expect(await fingerprints()).toEqual(before);
  // and a writer goes on with the tables as they are
  const store = await openStore({ client: clientFor('writer', DATABASE) });
  const changes = await store.writeReport('lab', REPORT);
  expect(changes.findings).toEqual({ added: 0, revised: 0, retracted: 0 });
  await store.close();
});

it('old heartbeats go by the statement of the guide, and nothing else', async () => {
  const { administrator } = clients;
  const guide = readFileSync(join(ROOT, 'docs/guides/fleet.md'), 'utf8');
  const statement = /ALTER TABLE [^`]*MODIFY TTL[^`]*/.exec(guide)?.[0].trim() as string;
  const kinds = async () => {
    const rows = await administrator.query({
      query: 'SELECT kind FROM events FINAL ORDER BY kind',
      format: 'JSONEachRow',
    });
    return (await rows.json<{ kind: string }>()).map(({ kind }) => kind);
  };
  const before = await kinds();
  expect(before).toContain('Heartbeat');
  await administrator.command({ query: statement, clickhouse_settings: { mutations_sync: '2' } });
  await administrator.command({ query: 'OPTIMIZE TABLE events FINAL' });
  expect(await kinds()).toEqual(before.filter((kind) => kind !== 'Heartbeat'));
  // the tables are still those that this version made
  await (await openStore({ client: clientFor('writer', DATABASE) })).close();
});

/** What all tables hold, and how they were made. */
async function fingerprints(): Promise<unknown[]> {
  const { administrator } = clients;
  const tables = await administrator.query({
    query: `SELECT name, create_table_query FROM system.tables WHERE database = '${DATABASE}' ORDER BY name`,
    format: 'JSONEachRow',
  });
  const found = [];
  for (const { name, create_table_query } of await tables.json<{
    name: string;
    create_table_query: string;
  }>()) {
    const rows = await administrator.query({
      query: `SELECT * FROM ${name} FINAL ORDER BY ALL`,
      format: 'JSONEachRow',
    });
    found.push({ name, create_table_query, rows: await rows.json() });
  }
  return found;
}
