import { MigrationAuditError } from '../domain/errors.js';
import type { FindingReport, MigrationReport, Report, TimelineEntry } from '../domain/report.js';
import type { Cause, Severity, Verdict } from '../domain/verdict.js';
import { CONCLUSION_TABLES, type ConclusionItems, type ConclusionTable } from './conclusions.js';
import type { Database, QueryParams } from './database.js';
import { escapeText, unescapeText } from './text.js';

/**
 * Questions to the store. All of them read with FINAL, which merges revisions while reading: exact before the engine
 * has merged on its own, the same on every server, and cheap here since the tables of conclusions are small and the
 * condition on the cluster cuts the rest off by the sorting key.
 */

/** A finding with the store's revision; `retracted`: a later report no longer says so. */
export type StoredFinding = Omit<FindingReport, 'state'> & {
  cluster: string;
  state: FindingReport['state'] | 'retracted';
  /** false while a host may still send what changes it; null when a replay said it, which has read all there is */
  confirmed: boolean | null;
  /** hosts that keep it from being confirmed */
  waits_for: string[];
};

/** Every condition that is stated must hold. */
export interface FindingFilter {
  cluster?: string;
  states?: StoredFinding['state'][];
  severities?: Severity[];
  causes?: Cause[];
  verdicts?: Verdict[];
  /** UUID or name */
  guest?: string;
  /** host whose call it was, or the guest's owner */
  host?: string;
  opened_from_us?: number;
  opened_to_us?: number;
  limit?: number;
}

/** Newest first. */
export async function findings(database: Database, filter: FindingFilter = {}): Promise<StoredFinding[]> {
  const { sql, params } = conditionsOf(filter);
  const rows = await database.select<FindingRow>(
    'findings',
    `SELECT ${FINDING_SELECTION} FROM findings FINAL WHERE ${sql}
     ORDER BY at_us DESC, cluster, host, id LIMIT {limit:UInt64}`,
    { ...params, limit: filter.limit ?? Number.MAX_SAFE_INTEGER },
  );
  return rows.map(findingFromRow);
}

/** @throws MigrationAuditError MA_NOT_IN_STORE */
export async function finding(database: Database, id: string): Promise<StoredFinding> {
  const rows = await database.select<FindingRow>(
    'findings',
    `SELECT ${FINDING_SELECTION} FROM findings FINAL WHERE id = {id:String} ORDER BY cluster LIMIT 1`,
    { id: escapeText(id) },
  );
  if (rows[0] === undefined) throw notInStore('finding', id);
  return findingFromRow(rows[0]);
}

export type TimelineOf = { guest: string } | { migration: string } | { finding: string };

/**
 * What happened to a guest (UUID or name), or around a migration or finding, in the order of its report.
 *
 * @throws MigrationAuditError MA_NOT_IN_STORE when nothing goes by that name
 */
export async function timelineOf(database: Database, of: TimelineOf): Promise<TimelineEntry[]> {
  if ('guest' in of) {
    const guest = escapeText(of.guest);
    const entries = await timelineWhere(database, GUEST_IS, {
      ...{ guest, name: guest, guests: [sortedUnder(guest)] },
    });
    if (entries.length === 0) throw notInStore('guest', of.guest);
    return entries;
  }
  return 'finding' in of
    ? timelineOfFinding(database, of.finding)
    : timelineOfMigration(database, of.migration);
}

/** Everything concluded about a cluster that still holds, as it was written. */
export async function reportOf(database: Database, cluster: string): Promise<Report> {
  const read = <T extends ConclusionTable>(table: T) => conclusionsOf(database, table, cluster);
  return {
    hosts: await read('hosts'),
    migrations: await read('migrations'),
    relabels: await read('relabels'),
    findings: await read('findings'),
    timeline: await read('timeline'),
  };
}

export type Table = ConclusionTable | 'events' | 'host_facts';

/** Rows that hold: each event once, what was retracted not at all. */
export async function counts(database: Database): Promise<Record<Table, number>> {
  const tables: readonly Table[] = ['events', 'host_facts', ...CONCLUSION_TABLES];
  const entries = await Promise.all(
    tables.map(async (table): Promise<[Table, number]> => {
      const holds = table === 'findings' ? ' WHERE retracted = 0' : '';
      const query = `SELECT toString(count()) AS rows FROM ${table} FINAL${holds}`;
      const [row] = await database.select<{ rows: string }>(table, query);
      return [table, Number(row?.rows)];
    }),
  );
  return Object.fromEntries(entries) as Record<Table, number>;
}

const FINDING_SELECTION =
  'cluster, state, toString(revision) AS stored_revision, record, confirmed, waits_for';

interface FindingRow {
  cluster: string;
  state: string;
  stored_revision: string;
  record: string;
  confirmed: boolean | null;
  waits_for: string[];
}

function findingFromRow(row: FindingRow): StoredFinding {
  const item = JSON.parse(row.record) as FindingReport;
  return {
    ...item,
    cluster: unescapeText(row.cluster),
    state: row.state as StoredFinding['state'],
    revision: Number(row.stored_revision),
    confirmed: row.confirmed,
    waits_for: row.waits_for.map(unescapeText),
  };
}

/** '' in a column means "not known", so it is the name of nobody. */
const GUEST_IS = "({guest:String} != '' AND (guest_uuid = {guest:String} OR guest_name = {guest:String}))";
const HOST_IS = "({host:String} != '' AND (host = {host:String} OR owner = {host:String}))";

function conditionsOf(filter: FindingFilter): { sql: string; params: QueryParams } {
  const stated: [string, QueryParams | null][] = [
    ['cluster = {cluster:String}', textParam('cluster', filter.cluster)],
    ['state IN {states:Array(String)}', listParam('states', filter.states)],
    ['severity IN {severities:Array(String)}', listParam('severities', filter.severities)],
    ['cause IN {causes:Array(String)}', listParam('causes', filter.causes)],
    ['verdict IN {verdicts:Array(String)}', listParam('verdicts', filter.verdicts)],
    [GUEST_IS, textParam('guest', filter.guest)],
    [HOST_IS, textParam('host', filter.host)],
    ['at_us >= {opened_from:Int64}', numberParam('opened_from', filter.opened_from_us)],
    ['at_us <= {opened_to:Int64}', numberParam('opened_to', filter.opened_to_us)],
  ];
  const used = stated.filter(([, params]) => params !== null);
  return {
    sql: used.length === 0 ? 'true' : used.map(([sql]) => sql).join(' AND '),
    params: Object.assign({}, ...used.map(([, params]) => params)),
  };
}

function textParam(name: string, text: string | undefined): QueryParams | null {
  return text === undefined ? null : { [name]: escapeText(text) };
}

function listParam(name: string, words: readonly string[] | undefined): QueryParams | null {
  return words === undefined ? null : { [name]: words };
}

function numberParam(name: string, number: number | undefined): QueryParams | null {
  return number === undefined ? null : { [name]: number };
}

/** Shown before and after a migration or finding: what led to it, and what became of it. */
const CONTEXT_US = 5 * 60 * 1_000_000;

async function timelineOfFinding(database: Database, id: string): Promise<TimelineEntry[]> {
  const found = await finding(database, id);
  const times = [found.opened_us, found.resolved_us ?? found.opened_us];
  if (found.migration !== null) {
    const migration = await migrationNamed(database, found.cluster, found.migration);
    times.push(...timesOf(migration));
  }
  const cluster = escapeText(found.cluster);
  const relabels = { cluster, events: found.relabels.map(escapeText), ...around(times) };
  const { guests, ...guest } = guestParams(found);
  return timelineWhere(database, `cluster = {cluster:String} AND ${GUEST_OR_EVENTS} AND ${WITHIN}`, {
    ...guest,
    ...relabels,
    guests: [...guests, ...(await guestsOfRelabels(database, relabels))],
  });
}

/** As the timeline is sorted by them; a finding that knows no guest can have relabels that do. */
async function guestsOfRelabels(database: Database, relabels: QueryParams): Promise<string[]> {
  const rows = await database.select<{ guest_uuid: string }>(
    'relabels',
    `SELECT DISTINCT guest_uuid FROM relabels
     WHERE cluster = {cluster:String} AND id IN {events:Array(String)} AND ${WITHIN}`,
    relabels,
  );
  return rows.map(({ guest_uuid }) => sortedUnder(guest_uuid));
}

async function timelineOfMigration(database: Database, id: string): Promise<TimelineEntry[]> {
  const migration = await migrationNamed(database, null, id);
  if (migration === null) throw notInStore('migration', id);
  const hosts = [migration.from, migration.to].flatMap((host) => (host === null ? [] : [escapeText(host)]));
  return timelineWhere(
    database,
    `cluster = {cluster:String} AND host IN {hosts:Array(String)} AND ${GUEST_OR_EVENTS} AND ${WITHIN}`,
    {
      ...guestParams(migration),
      cluster: escapeText(migration.cluster),
      hosts,
      events: [],
      ...around(timesOf(migration)),
    },
  );
}

const GUEST_OR_EVENTS =
  "((guest_uuid != '' AND guest_uuid = {uuid:String}) OR (guest_name != '' AND guest_name = {name:String})" +
  ' OR event IN {events:Array(String)})';
const WITHIN = 'at_us BETWEEN {from:Int64} AND {to:Int64}';

function guestParams({ guest }: { guest: FindingReport['guest'] }) {
  const [uuid, name] = [escapeText(guest.uuid ?? ''), escapeText(guest.name ?? '')];
  // a relabel of its image that no guest is known for is under none
  return { uuid, name, guests: [sortedUnder(uuid), ''] };
}

const UUID_BYTES = 36;

/** What rows of the guest have in the column that they are sorted by. */
function sortedUnder(uuid: string): string {
  return Buffer.byteLength(uuid) === UUID_BYTES ? uuid : '';
}

function timesOf(migration: MigrationReport | null): number[] {
  return [migration?.began_us, migration?.ended_us].filter((time) => time !== null && time !== undefined);
}

function around(times: readonly number[]): { from: number; to: number } {
  if (times.length === 0) return { from: Number.MIN_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };
  return { from: Math.min(...times) - CONTEXT_US, to: Math.max(...times) + CONTEXT_US };
}

async function migrationNamed(
  database: Database,
  cluster: string | null,
  id: string,
): Promise<(MigrationReport & { cluster: string }) | null> {
  const rows = await database.select<{ cluster: string; record: string }>(
    'migrations',
    `SELECT cluster, record FROM migrations FINAL WHERE id = {id:String}
     AND ({any_cluster:Bool} OR cluster = {cluster:String}) ORDER BY cluster LIMIT 1`,
    { id: escapeText(id), any_cluster: cluster === null, cluster: escapeText(cluster ?? '') },
  );
  const row = rows[0];
  return row === undefined ? null : { ...JSON.parse(row.record), cluster: unescapeText(row.cluster) };
}

/** @param params `guests` and, where it is not '', `name`: whose rows alone are looked at */
async function timelineWhere(
  database: Database,
  condition: string,
  params: QueryParams & { guests: string[]; name: string },
): Promise<TimelineEntry[]> {
  // with a second condition on the name beside it, the index of names would not be used
  const named =
    params.name === ''
      ? ''
      : ' UNION ALL SELECT guest FROM timeline WHERE guest_name = {name:String} GROUP BY guest';
  const rows = await database.select<{ record: string }>(
    'timeline',
    `SELECT record FROM timeline FINAL
     WHERE guest IN (SELECT arrayJoin({guests:Array(String)})${named}) AND ${condition}
     ORDER BY order_us, place, id`,
    params,
  );
  return rows.map((row) => JSON.parse(row.record));
}

async function conclusionsOf<T extends ConclusionTable>(
  database: Database,
  table: T,
  cluster: string,
): Promise<ConclusionItems[T][]> {
  const rows = await database.select<{ record: string; stored_revision: string }>(
    table,
    `SELECT record, toString(revision) AS stored_revision FROM ${table} FINAL
     WHERE cluster = {cluster:String} AND retracted = 0 ORDER BY order_us, place, id`,
    { cluster: escapeText(cluster) },
  );
  return rows.map(({ record, stored_revision }) => {
    const item = JSON.parse(record);
    return 'revision' in item ? { ...item, revision: Number(stored_revision) } : item;
  });
}

function notInStore(kind: string, id: string): MigrationAuditError {
  return new MigrationAuditError('MA_NOT_IN_STORE', `${kind} ${id}`);
}
