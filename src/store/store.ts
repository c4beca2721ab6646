import type { ClickHouseClient } from '@clickhouse/client';
import type { Report, TimelineEntry } from '../domain/report.js';
import type { Event, EventOf } from '../events/event.js';
import type { Conclusion } from '../events/topic-records.js';
import { CONCLUSION_TABLES, type ConclusionTable } from './conclusions.js';
import { Database, idParameters, type Row } from './database.js';
import { applyDdl } from './ddl.js';
import { embeddedClient } from './embedded.js';
import {
  EVENT_COLUMNS,
  EVENT_SELECTION,
  type EventRow,
  eventFromRow,
  eventRow,
  HOST_FACTS_COLUMNS,
  hostFactsRow,
} from './event-rows.js';
import {
  counts,
  type FindingFilter,
  finding,
  findings,
  reportOf,
  type StoredFinding,
  type Table,
  type TimelineOf,
  timelineOf,
} from './queries.js';
import { type Changes, revise, Scope } from './revise.js';
import { writeSaid } from './said-rows.js';

/** Events and what was concluded from them, in ClickHouse. Methods fail with MA_STORE; see also each of them. */
export interface Store {
  /** Each event once, however often it is written. */
  writeEvents(events: Iterable<Event>): Promise<void>;
  /**
   * Brings what is stored about the cluster to what the report says, as far as it speaks for it (see `revise`); says
   * what changed. Writing the same report again changes nothing.
   */
  writeReport(cluster: string, report: Report): Promise<Record<ConclusionTable, Changes>>;
  /**
   * Conclusions whose revisions are counted already, as the processor publishes them: each item once, in its highest
   * version, however often and in whatever order they are written. Returns how many rows each table got.
   */
  writeSaid(conclusions: readonly Conclusion[]): Promise<ReadonlyMap<ConclusionTable, number>>;
  /** In the order of `ids`; those that are not stored are left out. */
  events(ids: readonly string[]): Promise<Event[]>;
  findings(filter?: FindingFilter): Promise<StoredFinding[]>;
  /** Fails with MA_NOT_IN_STORE. */
  finding(id: string): Promise<StoredFinding>;
  /** Fails with MA_NOT_IN_STORE when nothing goes by that name. */
  timelineOf(of: TimelineOf): Promise<TimelineEntry[]>;
  report(cluster: string): Promise<Report>;
  counts(): Promise<Record<Table, number>>;
  /** Waits for running calls. */
  close(): Promise<void>;
}

/**
 * Opens the store and brings its tables up to date.
 *
 * @param where a directory for the embedded engine, or the client of a server, which the store then owns and closes;
 * `cluster`: make the tables on all servers of that ClickHouse cluster, replicated
 * @throws MigrationAuditError MA_NO_STORE, MA_STORE
 */
export async function openStore(
  where: { path: string } | { client: ClickHouseClient; cluster?: string | null },
): Promise<Store> {
  const database = new Database('client' in where ? where.client : await embeddedClient(where.path));
  try {
    await applyDdl(database, 'client' in where ? (where.cluster ?? null) : null);
  } catch (error) {
    await database.close();
    throw error;
  }
  const inTurn = oneAtATime();
  return {
    writeEvents: (events) => writeEvents(database, events),
    writeReport: (cluster, report) => inTurn(() => writeReport(database, cluster, report)),
    // only a finding's retraction looks at what is stored: nothing else has to wait for its turn
    writeSaid: (conclusions) =>
      conclusions.some(({ table }) => table === 'findings')
        ? inTurn(() => writeSaid(database, conclusions))
        : writeSaid(database, conclusions),
    events: (ids) => eventsNamed(database, ids),
    findings: (filter) => findings(database, filter),
    finding: (id) => finding(database, id),
    timelineOf: (of) => timelineOf(database, of),
    report: (cluster) => reportOf(database, cluster),
    counts: () => counts(database),
    close: () => database.close(),
  };
}

async function writeEvents(database: Database, events: Iterable<Event>): Promise<void> {
  const hostFacts: EventOf<'HostFactsRead'>[] = [];
  await database.insert('events', EVENT_COLUMNS, rowsNoting(events, hostFacts));
  await database.insert('host_facts', HOST_FACTS_COLUMNS, hostFacts.map(hostFactsRow));
}

function* rowsNoting(events: Iterable<Event>, hostFacts: EventOf<'HostFactsRead'>[]): Iterable<Row> {
  for (const event of events) {
    if (event.kind === 'HostFactsRead') hostFacts.push(event);
    yield eventRow(event);
  }
}

async function writeReport(
  database: Database,
  cluster: string,
  report: Report,
): Promise<Record<ConclusionTable, Changes>> {
  const scope = new Scope(cluster, report.hosts);
  const changes: Partial<Record<ConclusionTable, Changes>> = {};
  // findings stand last in the list: whoever sees one finds what it speaks of
  for (const table of CONCLUSION_TABLES) {
    changes[table] = await revise(database, table, scope, report[table]);
  }
  return changes as Record<ConclusionTable, Changes>;
}

async function eventsNamed(database: Database, ids: readonly string[]): Promise<Event[]> {
  const found = new Map<string, Event>();
  // an id begins with its host, by which the table is sorted; where one does not, all of the table is looked through
  const hostsOf = (some: readonly string[]) => [...new Set(some.map((id) => id.split('/', 1)[0]))];
  await readEvents(database, ids, 'host IN {hosts:Array(String)}', hostsOf, found);
  const others = ids.filter((id) => !found.has(id));
  await readEvents(database, others, 'true', () => [], found);
  return ids.flatMap((id) => found.get(id) ?? []);
}

async function readEvents(
  database: Database,
  ids: readonly string[],
  condition: string,
  hostsOf: (ids: readonly string[]) => (string | undefined)[],
  found: Map<string, Event>,
): Promise<void> {
  for (const some of idParameters(ids)) {
    const rows = await database.select<EventRow>(
      'events',
      `SELECT ${EVENT_SELECTION} FROM events FINAL WHERE ${condition} AND id IN {ids:Array(String)}`,
      { ids: some, hosts: hostsOf(some) },
    );
    for (const event of rows.map(eventFromRow)) found.set(event.id, event);
  }
}

/** Runs what it is given one after the other; a failure stays with its caller. */
function oneAtATime(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const result = last.then(run);
    last = result.catch(() => {});
    return result;
  };
}
