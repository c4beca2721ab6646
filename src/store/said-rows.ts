import { groupBy } from '../domain/group.js';
import type { Conclusion } from '../events/topic-records.js';
import {
  CONCLUSION_TABLES,
  type ConclusionItems,
  type ConclusionTable,
  recordOf,
  SHAPES,
  VERDICT_TABLES,
} from './conclusions.js';
import type { Database, Row } from './database.js';
import { COMMON_COLUMNS } from './revise.js';
import { escapeText } from './text.js';

/**
 * Writes conclusions whose revisions and versions the processor has counted. A row is replaced by one of a higher
 * version only, so writing them again, in the order they came or in part, changes nothing.
 *
 * Returns how many rows each table got.
 */
export async function writeSaid(
  database: Database,
  conclusions: readonly Conclusion[],
): Promise<Map<ConclusionTable, number>> {
  const byTable = groupBy(newestOf(conclusions), ({ table }) => table);
  const rows = new Map<ConclusionTable, number>();
  // findings stand last in the list: whoever sees one finds what it speaks of
  for (const table of CONCLUSION_TABLES) {
    const said = byTable.get(table) ?? [];
    const [gone, held] = [said.filter(isGone), said.filter((each) => !isGone(each))];
    await database.insert(table, columnsOf(table), held.map(rowOf));
    // the row of a retracted finding has to be whole; of the others nothing but the key is needed
    if (table === 'findings') for (const each of gone) await retractFinding(database, each);
    else
      await database.insert(
        table,
        COMMON_COLUMNS,
        gone.map((each) => commonValues(each, '')),
      );
    if (said.length > 0) rows.set(table, said.length);
  }
  return rows;
}

/**
 * Of each item the last one, since those before it would be replaced at once; of a retracted finding also what it said,
 * which stays to be seen.
 */
function newestOf(conclusions: readonly Conclusion[]): Conclusion[] {
  const newest = new Map<string, Conclusion>();
  for (const conclusion of conclusions) {
    const { cluster, table, id, retracted } = conclusion;
    const name = JSON.stringify([cluster, table, id, table === 'findings' && retracted]);
    const known = newest.get(name);
    if (known === undefined || known.version < conclusion.version) newest.set(name, conclusion);
  }
  return [...newest.values()];
}

const isGone = ({ retracted }: Conclusion) => retracted;

const WAITING_COLUMNS = ['confirmed', 'waits_for'] as const;

function columnsOf(table: ConclusionTable): string[] {
  const waiting = VERDICT_TABLES.has(table) ? WAITING_COLUMNS : [];
  return [...COMMON_COLUMNS, ...waiting, ...Object.keys(SHAPES[table].columns)];
}

function rowOf(said: Conclusion): Row {
  const { table, confirmed, waits_for } = said;
  const text = said.item.toString('utf8');
  const item = JSON.parse(text) as ConclusionItems[ConclusionTable];
  // only an item that counts its own revisions is said otherwise than it is kept
  const record = 'revision' in item ? recordOf(item) : text;
  const columns = Object.values(SHAPES[table].columns) as ((item: unknown) => unknown)[];
  return [
    ...commonValues(said, record),
    ...(VERDICT_TABLES.has(table) ? [confirmed, waits_for.map(escapeText)] : []),
    ...columns.map((value) => value(item)),
  ];
}

function commonValues(said: Conclusion, record: string): unknown[] {
  return [
    escapeText(said.cluster),
    escapeText(said.id),
    escapeText(said.host),
    said.at_us,
    said.order_us,
    said.place,
    said.hosts.map(escapeText),
    record,
    said.digest,
    said.revision,
    said.version,
    said.retracted ? 1 : 0,
  ];
}

/** The row as it was last written, of whatever version below this one. */
async function retractFinding(database: Database, said: Conclusion): Promise<void> {
  await database.execute(
    'findings',
    // of two meanings of `version`, the replacement's would be taken outside of the inner SELECT
    `INSERT INTO findings SELECT * REPLACE ('retracted' AS state, 1 AS retracted, NULL AS confirmed, [] AS waits_for,
       {revision:UInt64} AS revision, {version:UInt64} AS version)
     FROM (SELECT * FROM findings FINAL
       WHERE cluster = {cluster:String} AND id = {id:String} AND version < {version:UInt64})`,
    {
      cluster: escapeText(said.cluster),
      id: escapeText(said.id),
      revision: said.revision,
      version: said.version,
    },
  );
}
