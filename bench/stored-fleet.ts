import type { ClickHouseClient } from '@clickhouse/client';
import { openStore, type Store } from '../src/store/store.js';
import { recorded } from '../test/system/fleet/recorded.js';

/**
 * Rows of a big fleet in the store's own tables. The recorded incidents of the lab are stored as they are, in a
 * database beside; the engine copies them, each copy under hosts, a guest, times, serials and ids of its own:
 * 10,000 hosts in 100 clusters, 100,000 guests, over a year.
 */

export const HOSTS = 10_000;
export const GUESTS = 100_000;
export const CLUSTERS = 100;
export const BEGAN_US = Date.UTC(2026, 0, 1) * 1000;
const MONTHS = 12;
/** that an INSERT is of one partition, as nearly all are that a store gets */
const ROWS_PER_INSERT = 500_000;

/** The template in a database of its own. */
const MADE = 'made';

export type FilledTable =
  | 'events'
  | 'timeline'
  | 'relabels'
  | 'migrations'
  | 'findings'
  | 'hosts'
  | 'host_facts';

/** How many rows of each table one copy of the recorded incidents has. */
export type TemplateRows = Record<FilledTable, number>;

/** Stores the template where it is not stored yet. */
export async function template(clientOf: (database: string) => ClickHouseClient): Promise<TemplateRows> {
  const client = clientOf('default');
  await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${MADE}` });
  await client.close();
  const store = await openStore({ client: clientOf(MADE) });
  if ((await store.counts()).events === 0) await writeTemplate(store);
  const rows = await store.counts();
  await store.close();
  return rows;
}

async function writeTemplate(store: Store): Promise<void> {
  const { events, reports } = await recorded();
  await store.writeEvents(events);
  for (const [cluster, report] of reports) await store.writeReport(cluster, report);
}

/** Copies into a table of the client's database the copies from `from` up to `to`, in as many INSERTs as it takes. */
export async function fill(
  client: ClickHouseClient,
  table: FilledTable,
  rowsOfCopy: number,
  { from, to }: { from: number; to: number },
): Promise<void> {
  const perInsert = Math.max(1, Math.floor(ROWS_PER_INSERT / rowsOfCopy));
  for (let first = from; first < to; first += perInsert) {
    const copies = Math.min(perInsert, to - first);
    await client.command({
      query: copyStatement(table),
      query_params: { first, copies, month: Math.floor(first / perInsert) % MONTHS },
      clickhouse_settings: { max_partitions_per_insert_block: '0', max_execution_time: 0 },
    });
  }
}

/** Of each copy of each capture: which guest it is of, which hosts it is on, when it began. */
const COPIES = `
  SELECT
    capture,
    first_us,
    number + {first:UInt64} AS copy,
    cityHash64(copy, capture) % ${GUESTS} AS guest,
    guest % ${CLUSTERS} AS cluster_number,
    concat('rack-', leftPad(toString(cluster_number), 2, '0')) AS rack,
    concat('hv-', leftPad(toString(cluster_number * 100 + intDiv(guest, ${CLUSTERS}) % 100), 5, '0')) AS hosta,
    concat('hv-', leftPad(toString(cluster_number * 100 + cityHash64(copy, capture, 'to') % 100), 5, '0')) AS hostb,
    concat('nfs-', leftPad(toString(cluster_number), 2, '0')) AS nfs,
    concat('7e57', lower(substring(hex(cityHash64(guest)), 1, 4)), '-0000-4000-8000-', leftPad(toString(guest), 12, '0')) AS uuid,
    concat('vm-', toString(guest)) AS name,
    toInt64(toUnixTimestamp64Micro(toDateTime64(addMonths(toDate('2026-01-01'), {month:UInt8}), 6, 'UTC')))
      + toInt64(cityHash64(copy, capture, 'at') % (27 * 86400)) * 1000000 AS copied_us
  FROM (SELECT cluster AS capture, min(at_us) AS first_us FROM ${MADE}.events GROUP BY cluster) AS captures
  CROSS JOIN numbers({copies:UInt64}) AS numbers`;

const UUID = '7e570000-0000-4000-8000-000000000\\\\d{3}';

/** Text of the template with the copy's own hosts and guest in it. */
function renamed(text: string): string {
  const hosts = `replaceAll(replaceAll(replaceAll(${text}, 'hosta', hosta), 'hostb', hostb), 'nfs1', nfs)`;
  return `replaceAll(replaceRegexpAll(${hosts}, '${UUID}', uuid), 'vm1', name)`;
}

/** A time of the template, moved. */
const moved = (time: string) => `${time} - first_us + copied_us`;
const AT = moved('template.at_us');
const SERIAL = 'cityHash64(copy, template.id) % 10000000';
const HASH = 'substring(base64URLEncode(MD5(concat(template.id, toString(copy)))), 1, 22)';
/** as real ones: an audit event has its stamp and serial, any other a hash */
const ID =
  `if(position(template.id, '/audit/') > 0,` +
  ` concat(${renamed('template.host')}, '/audit/', toString(intDiv(${AT}, 1000)), ':', toString(${SERIAL})),` +
  ` concat(${renamed("arrayStringConcat(arraySlice(splitByChar('/', template.id), 1, 2), '/')")},` +
  ` '/', toString(${AT}), ':', ${HASH}))`;
const STAMP = `concat('audit(', toString(intDiv(${AT}, 1000000)), '.', leftPad(toString(intDiv(${AT}, 1000) % 1000), 3, '0'), ':', toString(${SERIAL}), ')')`;
const RESTAMPED = (text: string) =>
  `replaceRegexpAll(${text}, 'audit\\\\(\\\\d+\\\\.\\\\d{3}:\\\\d+\\\\)', ${STAMP})`;
/** `F-346ef5262213` */
const SHORT_ID = (column: string) =>
  `if(${column} = '', '', concat(substring(${column}, 1, 2), lower(substring(hex(cityHash64(${column}, copy)), 1, 12))))`;

/** JSON of the template: in it the times by which questions are asked, and the ids that they follow. */
function recordOf(): string {
  const times = ['at_us', 'opened_us', 'began_us', 'ended_us', 'resolved_us'];
  return times.reduce(
    (record, time) =>
      `replaceRegexpOne(${record}, '"${time}":\\\\d+', concat('"${time}":', toString(${AT})))`,
    `replaceRegexpOne(${RESTAMPED(renamed('template.record'))}, '"migration":"M-[0-9a-f]+"', concat('"migration":"', ${SHORT_ID('extract(template.record, \'"migration":"(M-[0-9a-f]+)"\')')}, '"'))`,
  );
}

/** What differs from copy to copy, by column; the others are as they were. */
function replacements(table: FilledTable): Record<string, string> {
  const common = {
    cluster: 'rack',
    host: renamed('template.host'),
    at_us: AT,
    at: `fromUnixTimestamp64Micro(${AT}, 'UTC')`,
  };
  const guest = {
    guest_uuid: "if(template.guest_uuid = '', '', uuid)",
    guest_name: "if(template.guest_name = '', '', name)",
  };
  const conclusion = {
    ...common,
    order_us: moved('template.order_us'),
    hosts: `arrayMap(each -> ${renamed('each')}, template.hosts)`,
    record: recordOf(),
    digest: HASH,
  };
  switch (table) {
    case 'events':
      return {
        ...common,
        ...guest,
        id: ID,
        sequence: `toInt64(${SERIAL})`,
        body: renamed('template.body'),
        witness: RESTAMPED(renamed('template.witness')),
      };
    case 'host_facts':
      return { ...common, id: ID, facts: renamed('template.facts') };
    case 'timeline':
      return {
        ...conclusion,
        ...guest,
        id: `concat(${ID}, '#', uuid)`,
        guest: 'uuid',
        event: ID,
        text: renamed('template.text'),
      };
    case 'relabels':
      return {
        ...conclusion,
        ...guest,
        id: ID,
        serial: `toInt64(${SERIAL})`,
        path: renamed('template.path'),
        owner: renamed('template.owner'),
      };
    case 'migrations':
      return {
        ...conclusion,
        ...guest,
        id: SHORT_ID('template.id'),
        from_host: renamed('template.from_host'),
        to_host: renamed('template.to_host'),
        began_us: moved('template.began_us'),
        text: renamed('template.text'),
      };
    case 'findings':
      return {
        ...conclusion,
        ...guest,
        id: SHORT_ID('template.id'),
        migration: SHORT_ID('template.migration'),
        owner: renamed('template.owner'),
        summary: renamed('template.summary'),
        relabels: `arrayMap(each -> concat(each, '/', toString(copy)), template.relabels)`,
      };
    case 'hosts': // has no `at`
      return { ...conclusion, id: renamed('template.id'), version: 'copy + 1' };
  }
}

function copyStatement(table: FilledTable): string {
  const all = Object.entries(replacements(table)).filter(([column]) => table !== 'hosts' || column !== 'at');
  const replaced = all.map(([column, value]) => `${value} AS ${column}`);
  return `INSERT INTO ${table} SELECT template.* REPLACE (${replaced.join(', ')})
    FROM (SELECT * FROM ${MADE}.${table} FINAL) AS template
    INNER JOIN (${COPIES}) AS copies ON copies.capture = template.cluster`;
}
