import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { MigrationAuditError } from '../domain/errors.js';
import { type Database, isAboutMissingTable } from './database.js';

/** schemas/clickhouse/<number>-<name>.sql, one statement a file: applied in order, each once, never changed. */

/** From src/store as well as from dist/store. */
const DDL_URL = new URL('../../schemas/clickhouse/', import.meta.url);
const FILE_NAME = /^(\d{3})-[a-z-]+\.sql$/;

interface Statement {
  number: number;
  file: string;
  sql: string;
  checksum: string;
}

/**
 * Brings the tables up to date. Safe to repeat, and to repeat after a crash at any point. Where they are up to date
 * it only reads, so that users who may not do more can use them.
 *
 * @param cluster ClickHouse cluster on whose servers the tables are made, replicated; null for one server
 * @throws MigrationAuditError MA_STORE when the store was made by a newer version, or by a file that has changed since
 */
export async function applyDdl(database: Database, cluster: string | null): Promise<void> {
  const text = (sql: string) => (cluster === null ? sql : onCluster(sql, cluster));
  const applied = await appliedChecksums(database).catch(async (error) => {
    if (!isAboutMissingTable(error)) throw error;
    await database.execute('schema_migrations', text(SCHEMA_MIGRATIONS));
    return appliedChecksums(database);
  });
  const statements = readStatements();
  const newest = statements.at(-1)?.number ?? 0;
  for (const number of applied.keys()) {
    if (number > newest) throw refused(`${number}`, 'it was made by a newer version of migration-audit');
  }
  for (const { number, file, sql, checksum } of statements) {
    const known = applied.get(number);
    if (known === checksum) continue;
    if (known !== undefined) throw refused(file, 'the file was changed after it had been applied');
    await database.execute(file, text(sql));
    await database.insert('schema_migrations', ['number', 'file', 'checksum'], [[number, file, checksum]]);
  }
}

/**
 * The same statement for all servers of a cluster: every one of them has the whole table (one shard), and what is
 * written to one is there on the others. `{shard}` and `{replica}` are macros of the servers' own configuration.
 */
export function onCluster(sql: string, cluster: string): string {
  const name = `\`${cluster.replace(/[\\`]/g, '\\$&')}\``;
  return sql
    .replace(/^(CREATE TABLE IF NOT EXISTS \w+|ALTER TABLE \w+)/m, `$1 ON CLUSTER ${name}`)
    .replace(/^(\)? *)ENGINE = (\w*MergeTree)(?:\((.*)\))?/m, (_, before, engine, parameters) => {
      const all = [ZOOKEEPER_PATH, "'{replica}'", ...(parameters ? [parameters] : [])];
      return `${before ?? ''}ENGINE = Replicated${engine}(${all.join(', ')})`;
    });
}

const ZOOKEEPER_PATH = "'/clickhouse/tables/{shard}/{database}/{table}'";

const SCHEMA_MIGRATIONS = `CREATE TABLE IF NOT EXISTS schema_migrations (
  number UInt32,
  file String,
  checksum String,
  applied_at DateTime('UTC') DEFAULT now('UTC')
) ENGINE = ReplacingMergeTree ORDER BY number`;

async function appliedChecksums(database: Database): Promise<Map<number, string>> {
  const rows = await database.select<{ number: number; checksum: string }>(
    'schema_migrations',
    'SELECT number, checksum FROM schema_migrations FINAL',
  );
  return new Map(rows.map((row) => [row.number, row.checksum]));
}

/** In the order in which they are applied. */
export function readStatements(): Statement[] {
  return readdirSync(DDL_URL)
    .sort()
    .flatMap((file) => {
      const match = FILE_NAME.exec(file);
      if (match === null) return [];
      const sql = readFileSync(new URL(file, DDL_URL), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('base64url');
      return { number: Number(match[1]), file, sql, checksum };
    });
}

function refused(where: string, what: string): MigrationAuditError {
  return new MigrationAuditError('MA_STORE', `schemas/clickhouse/${where}`, what, {
    hint: 'use the version of migration-audit that wrote this store, or a new directory',
  });
}
