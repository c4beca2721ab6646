import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { openLocalLog } from '../src/eventlog/local/local-log.js';
import type { EventLog, Topic } from '../src/eventlog/port.js';
import { encodeEvent } from '../src/events/codec.js';
import { embeddedClient } from '../src/store/embedded.js';
import { EVENT_COLUMNS, eventRow } from '../src/store/event-rows.js';
import { openStore } from '../src/store/store.js';
import { correlateRole } from '../src/stream/correlate-role.js';
import { storeRole } from '../src/stream/store-role.js';
import { STORE_GROUP } from '../src/stream/store-writer.js';
import { Health } from '../src/telemetry/health.js';
import { createMetrics } from '../src/telemetry/metrics.js';
import { fleetOf } from './fleet.js';

/**
 * Events a second, and the time of computing that each takes, from the log of one machine to findings, and on into the embedded store. The ceilings are a reader
 * that does nothing with what it reads, and inserts of the same rows that do nothing else.
 * Usage: node --import tsx bench/stream.ts [guests [events a batch]]
 */
const GUESTS = Number(process.argv[2] ?? 500);
const BATCH_EVENTS = Number(process.argv[3] ?? 1000);
const ROWS_PER_INSERT = 20_000;

const work = mkdtempSync(join(tmpdir(), 'migration-audit-bench-'));
const { events } = fleetOf(GUESTS);
const log = openLocalLog({ directory: join(work, 'log'), bytes_max: 4 * 2 ** 30, retain_us: 1e15 });
for (let from = 0; from < events.length; from += 5_000) {
  const records = events.slice(from, from + 5_000).map((event) => ({
    key: event.cluster,
    value: encodeEvent(event),
    id: null,
  }));
  await log.append({ records, checkpoints: new Map() });
}
console.log(`\n${GUESTS} guests, ${events.length} events`);

const bare = await rateOf(events.length, () => readAll(log));
print('bare reading', bare, bare);
print(`correlate, ${BATCH_EVENTS} a batch`, await rateOf(events.length, () => correlated(log)), bare);

const { timeline, findings } = log.statistics().topics;
const rows = events.length + timeline.records + findings.records;
const inserting = await bareInserts();
print('bare inserts, rows', inserting, inserting);
const delays = monitorEventLoopDelay({ resolution: 5 });
delays.enable();
print(`store, ${rows} records`, await rateOf(rows, () => stored(log)), inserting);
delays.disable();
console.log(`  event loop held up while storing: p99 ${ms(delays.percentile(99))}, most ${ms(delays.max)}`);
await log.close();
rmSync(work, { recursive: true, force: true });

function telemetry() {
  return {
    metrics: createMetrics({ version: 'bench', parts: [] }),
    health: new Health(Date.now),
    logger: pino({ level: 'silent' }),
  };
}

/** Runs a role until its group has read these topics to their ends. */
async function until(group: string, topics: readonly Topic[], role: (signal: AbortSignal) => Promise<void>) {
  const stop = new AbortController();
  const watching = setInterval(() => {
    if (topics.every((topic) => log.lag(group, topic).records === 0)) stop.abort();
  }, 2);
  await role(stop.signal);
  clearInterval(watching);
}

function readAll(from: EventLog): Promise<void> {
  const handler = { begin: async () => {}, take: async () => [], end: async () => {} };
  const limits = { batch_records_max: BATCH_EVENTS, batch_bytes_max: 16 << 20, idle_ms: null, outputs: [] };
  return until('bare', ['events'], (signal) =>
    from.process({ group: 'bare', topic: 'events', handler, signal, ...limits }),
  );
}

function correlated(from: EventLog): Promise<void> {
  const keeps = { keep_settled_us: 30 * 86_400e6, state_bytes_max: 2 ** 30 };
  const options = { correlator: {}, batch_events_max: BATCH_EVENTS, ...keeps };
  return until('correlate', ['events'], (signal) =>
    correlateRole({ log: from, options, ...telemetry(), signal }),
  );
}

async function stored(from: EventLog): Promise<void> {
  const store = await openStore({ path: join(work, 'store') });
  await until(STORE_GROUP, ['events', 'timeline', 'findings'], (signal) =>
    storeRole({ log: from, open: async () => store, options: { write_every_ms: 0 }, ...telemetry(), signal }),
  );
  await store.close();
}

/** Rows of events, made beforehand, into the table of events: what `@clickhouse/client` itself takes. */
async function bareInserts(): Promise<Rate> {
  const path = join(work, 'store');
  await (await openStore({ path })).close();
  const client = await embeddedClient(path);
  await client.command({ query: 'CREATE TABLE bare AS events' });
  const lines = events.map((event) => JSON.stringify(eventRow(event)));
  const rate = await rateOf(lines.length, async () => {
    for (let from = 0; from < lines.length; from += ROWS_PER_INSERT) {
      const batch = lines.slice(from, from + ROWS_PER_INSERT).join('\n');
      const query = `INSERT INTO bare (${EVENT_COLUMNS.join(', ')}) FORMAT JSONCompactEachRow`;
      const values = Readable.from([Buffer.from(batch)], { objectMode: false });
      await text((await client.exec({ query, values })).stream);
    }
  });
  await client.command({ query: 'DROP TABLE bare' });
  await client.close();
  return rate;
}

interface Rate {
  per_s: number;
  /** all threads of this process */
  cpu_us: number;
}

async function rateOf(count: number, run: () => Promise<void>): Promise<Rate> {
  const started = process.hrtime.bigint();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  return { per_s: count / seconds, cpu_us: (user + system) / count };
}

/** The share of the ceiling is one of computing: others on the machine cost less of it than of the clock's time. */
function print(name: string, { per_s, cpu_us }: Rate, ceiling: Rate): void {
  const thousands = (per_s / 1000).toFixed(1).padStart(7);
  const share = ((100 * ceiling.cpu_us) / cpu_us).toFixed(1);
  console.log(
    `  ${name.padEnd(26)} ${thousands} k/s  ${cpu_us.toFixed(1).padStart(6)} µs CPU each  ${share} % of ceiling`,
  );
}

function ms(nanoseconds: number): string {
  return `${(nanoseconds / 1e6).toFixed(0)} ms`;
}
