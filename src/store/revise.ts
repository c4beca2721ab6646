import type { HostReport } from '../domain/report.js';
import {
  type Conclusion,
  type ConclusionItems,
  type ConclusionTable,
  digestOf,
  recordOf,
  SHAPES,
} from './conclusions.js';
import { type Database, idParameters, type Row } from './database.js';
import { escapeText, unescapeText } from './text.js';

/**
 * Brings one table of conclusions to what a report says.
 *
 * A report speaks for the hosts it read, from the first to the last event it read of each; about the rest it knows
 * nothing. So:
 * - an item that is not stored yet is stored;
 * - an item that says the same as before is left alone, which makes writing a report again free of effect;
 * - an item that says something else becomes the next revision, unless the stored one rests on a host that this report
 *   did not read: the report that knows less does not overrule the one that knows more;
 * - a stored item that the report ought to have, and has not, is retracted: the row stays, marked, as a new revision.
 *   Should a later report bring it back, that is a revision again.
 *
 * The revision of a row is the store's own count, raised to the item's own where that is higher; that an item merely
 * moved among the others is no revision. There is one writer to a cluster; two at once would count alike.
 */
export async function revise<T extends ConclusionTable>(
  database: Database,
  table: T,
  scope: Scope,
  items: readonly ConclusionItems[T][],
): Promise<Changes> {
  const candidates = candidatesOf(table, items);
  const stored = await storedRows(database, table, scope, candidates);
  const rows: Row[] = [];
  const changes: Changes = { added: 0, revised: 0, retracted: 0 };
  for (const candidate of candidates) {
    const before = stored.get(candidate.id);
    stored.delete(candidate.id);
    if (before !== undefined && (isAsStored(candidate, before) || !scope.hasRead(before.hosts))) continue;
    const revision = nextRevision(candidate, before);
    rows.push(rowOf(scope.cluster, candidate, revision, (before?.version ?? 0) + 1));
    if (before === undefined) changes.added++;
    else if (revision > before.revision) changes.revised++;
  }
  await database.insert(table, columnsOf(table), rows);
  const gone = [...stored].filter(([, row]) => !row.retracted && scope.speaksFor(row)).map(([id]) => id);
  await retract(database, table, scope, gone);
  return { ...changes, retracted: gone.length };
}

export interface Changes {
  added: number;
  revised: number;
  retracted: number;
}

/** What a report has read. */
export class Scope {
  readonly cluster: string;
  readonly #read: Map<string, { first_us: number; last_us: number }>;

  constructor(cluster: string, hosts: readonly HostReport[]) {
    this.cluster = cluster;
    this.#read = new Map(
      hosts.flatMap(({ host, first_us, last_us }) =>
        first_us === null || last_us === null ? [] : [[host, { first_us, last_us }]],
      ),
    );
  }

  hasRead(hosts: readonly string[]): boolean {
    return hosts.every((host) => this.#read.has(host));
  }

  /** Would this report have the item, if it were true? */
  speaksFor(item: Pick<Conclusion, 'host' | 'at_us' | 'hosts'>): boolean {
    const read = this.#read.get(item.host);
    if (read === undefined || !this.hasRead(item.hosts)) return false;
    return item.at_us >= read.first_us && item.at_us <= read.last_us;
  }

  /** The times in which it may speak for anything. */
  span(): { from: number; to: number } {
    let from = Number.MAX_SAFE_INTEGER;
    let to = Number.MIN_SAFE_INTEGER;
    for (const { first_us, last_us } of this.#read.values()) {
      from = Math.min(from, first_us);
      to = Math.max(to, last_us);
    }
    return { from, to };
  }
}

interface Candidate extends Conclusion, Order {
  record: string;
  digest: string;
  revision: number;
  /** the table's own columns */
  values: unknown[];
}

interface Stored extends Pick<Conclusion, 'host' | 'at_us' | 'hosts'>, Order {
  digest: string;
  revision: number;
  version: number;
  retracted: boolean;
}

/**
 * The order of a report, which is not that of `at_us` since the hosts' clocks disagree, as numbers that a late item
 * changes as few of as possible: the latest time up to the item, and its place among those with the same.
 */
interface Order {
  order_us: number;
  place: number;
}

function isAsStored(candidate: Candidate, stored: Stored): boolean {
  return (
    saysTheSame(candidate, stored) &&
    candidate.order_us === stored.order_us &&
    candidate.place === stored.place
  );
}

function saysTheSame(candidate: Candidate, stored: Stored): boolean {
  return !stored.retracted && stored.digest === candidate.digest;
}

function nextRevision(candidate: Candidate, stored: Stored | undefined): number {
  if (stored === undefined) return candidate.revision;
  return saysTheSame(candidate, stored) ? stored.revision : Math.max(candidate.revision, stored.revision + 1);
}

/** Of every table of conclusions. */
export const COMMON_COLUMNS = [
  'cluster',
  'id',
  'host',
  'at_us',
  'order_us',
  'place',
  'hosts',
  'record',
  'digest',
  'revision',
  'version',
  'retracted',
] as const;

function columnsOf(table: ConclusionTable): string[] {
  return [...COMMON_COLUMNS, ...Object.keys(SHAPES[table].columns)];
}

function rowOf(cluster: string, candidate: Candidate, revision: number, version: number): Row {
  return [
    escapeText(cluster),
    escapeText(candidate.id),
    escapeText(candidate.host),
    candidate.at_us,
    candidate.order_us,
    candidate.place,
    candidate.hosts.map(escapeText),
    candidate.record,
    candidate.digest,
    revision,
    version,
    0,
    ...candidate.values,
  ];
}

function candidatesOf<T extends ConclusionTable>(
  table: T,
  items: readonly ConclusionItems[T][],
): Candidate[] {
  const shape = SHAPES[table];
  const located = shape.locate(items);
  const columns = Object.values(shape.columns);
  let order: Order = { order_us: Number.MIN_SAFE_INTEGER, place: 0 };
  return items.map((item, index) => {
    const conclusion = located[index] as Conclusion;
    order = next(order, conclusion.at_us);
    const revision = 'revision' in item ? item.revision : 1;
    const record = recordOf(item);
    const values = columns.map((value) => value(item));
    return { ...conclusion, ...order, record, digest: digestOf(record), revision, values };
  });
}

function next({ order_us, place }: Order, at_us: number): Order {
  return at_us > order_us ? { order_us: at_us, place: 0 } : { order_us, place: place + 1 };
}

/** The newest row of every item that the report may touch, retracted ones too. */
async function storedRows(
  database: Database,
  table: ConclusionTable,
  scope: Scope,
  candidates: readonly Candidate[],
): Promise<Map<string, Stored>> {
  const { from, to } = spanOf(scope, candidates);
  const inTime = SHAPES[table].timeIsFixed ? ' AND at_us BETWEEN {from:Int64} AND {to:Int64}' : '';
  const rows = await database.select<StoredRow>(
    table,
    `SELECT id, max(version) AS newest, argMax(revision, version) AS last_revision,
       argMax(digest, version) AS last_digest, argMax(retracted, version) AS last_retracted,
       argMax(host, version) AS last_host, argMax(hosts, version) AS last_hosts,
       toString(argMax(at_us, version)) AS last_at_us,
       toString(argMax(order_us, version)) AS last_order_us, argMax(place, version) AS last_place
     FROM ${table} WHERE cluster = {cluster:String}${inTime} GROUP BY id`,
    { cluster: escapeText(scope.cluster), from, to },
  );
  return new Map(rows.map((row) => [unescapeText(row.id), storedFrom(row)]));
}

interface StoredRow {
  id: string;
  newest: number | string;
  last_revision: number | string;
  last_digest: string;
  last_retracted: number;
  last_host: string;
  last_hosts: string[];
  last_at_us: string;
  last_order_us: string;
  last_place: number;
}

function storedFrom(row: StoredRow): Stored {
  return {
    host: unescapeText(row.last_host),
    at_us: Number(row.last_at_us),
    hosts: row.last_hosts.map(unescapeText),
    digest: row.last_digest,
    order_us: Number(row.last_order_us),
    place: row.last_place,
    revision: Number(row.last_revision),
    version: Number(row.newest),
    retracted: row.last_retracted === 1,
  };
}

function spanOf(scope: Scope, candidates: readonly Candidate[]): { from: number; to: number } {
  const span = scope.span();
  for (const { at_us } of candidates) {
    span.from = Math.min(span.from, at_us);
    span.to = Math.max(span.to, at_us);
  }
  return span;
}

async function retract(
  database: Database,
  table: ConclusionTable,
  scope: Scope,
  ids: readonly string[],
): Promise<void> {
  const replaced = {
    ...SHAPES[table].retraction,
    retracted: '1',
    revision: 'revision + 1',
    version: 'version + 1',
  };
  const replacements = Object.entries(replaced).map(([column, value]) => `${value} AS ${column}`);
  for (const some of idParameters(ids)) {
    await database.execute(
      table,
      `INSERT INTO ${table} SELECT * REPLACE (${replacements.join(', ')}) FROM ${table} FINAL
       WHERE cluster = {cluster:String} AND id IN {ids:Array(String)}`,
      { cluster: escapeText(scope.cluster), ids: some },
    );
  }
}
