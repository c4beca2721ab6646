import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { Kafka, logLevel } from 'kafkajs';
import { pino } from 'pino';
import { type KafkaEventLog, openKafkaLog } from '../src/eventlog/kafka/kafka-log.js';
import { type KafkaSettings, topicName } from '../src/eventlog/kafka/settings.js';
import { createTopics } from '../src/eventlog/kafka/topics.js';
import type { ProcessOptions, ProcessorLog } from '../src/eventlog/port.js';
import { encodeEvent } from '../src/events/codec.js';
import type { Event } from '../src/events/event.js';
import { EVENT_COLUMNS, eventRow } from '../src/store/event-rows.js';
import { openStore } from '../src/store/store.js';
import { correlateRole } from '../src/stream/correlate-role.js';
import { storeRole } from '../src/stream/store-role.js';
import { Health } from '../src/telemetry/health.js';
import { createMetrics } from '../src/telemetry/metrics.js';
import { type ClickHouseServer, startClickHouse } from '../test/services/clickhouse-server.js';
import { KafkaBroker } from '../test/services/kafka-broker.js';
import { fleetOf } from './fleet.js';

/**
 * From Kafka to findings, and from Kafka to rows of ClickHouse, each beside what it is made of: a kafkajs consumer that
 * does nothing with what it reads, and a loop of `@clickhouse/client` that inserts rows made beforehand. The computing is
 * that of this process; the broker and ClickHouse are processes of their own on the same machine.
 * Usage: node --import tsx bench/kafka-stream.ts [events [partitions/hosts …]]
 */
const EVENTS = Number(process.argv[2] ?? 60_000);
const SIZES = process.argv.length > 3 ? process.argv.slice(3) : ['1/10', '12/60', '12/1000', '12/10000'];
const HOSTS_PER_CLUSTER = 5;
const ROWS_PER_INSERT = 10_000;
const SENT_TOGETHER = 2_000;
const BATCH_EVENTS = 5_000;
const QUIET_MS = 2_000;
const KEEP_SETTLED_US = 720 * 3600 * 1e6;

interface Rate {
  count: number;
  per_s: number;
  /** of all threads of this process, for each */
  cpu_us: number;
}

class Measuring {
  #began: { at_ms: number; cpu: NodeJS.CpuUsage } | null = null;

  begin(): void {
    this.#began ??= { at_ms: performance.now(), cpu: process.cpuUsage() };
  }

  rate(count: number): Rate {
    const { at_ms, cpu } = this.#began as { at_ms: number; cpu: NodeJS.CpuUsage };
    const { user, system } = process.cpuUsage(cpu);
    return { count, per_s: (1000 * count) / (performance.now() - at_ms), cpu_us: (user + system) / count };
  }
}

const QUIET = { level: ClickHouseLogLevel.OFF };
const silent = pino({ level: 'silent' });
const work = mkdtempSync(join(tmpdir(), 'migration-audit-bench-'));
const broker = await KafkaBroker.start({ heap_mib: 1024 });
const server = await startClickHouse(join(work, 'clickhouse'));
try {
  for (const [run, size] of SIZES.entries()) {
    const [partitions = 1, hosts = 10] = size.split('/').map(Number);
    await measure(run, partitions, hosts);
  }
} finally {
  await broker.destroy();
  await server.kill();
  rmSync(work, { recursive: true, force: true });
}

async function measure(run: number, partitions: number, hosts: number): Promise<void> {
  const events = eventsOf(Math.max(1, Math.round(hosts / HOSTS_PER_CLUSTER)));
  console.log(`\n${events.length} events of ${hosts} hosts, ${partitions} partitions`);
  const settings: KafkaSettings = {
    brokers: [broker.address],
    client_id: 'bench',
    prefix: `bench-${run}`,
    ssl: null,
    sasl: null,
    compression: 'gzip',
    batch_bytes_max: 1_000_000,
    session_timeout_ms: 30_000,
  };
  await createTopics(settings, { partitions, replication: 1, retention_h: 1 }, silent);
  const log = openKafkaLog(settings, silent);
  for (let from = 0; from < events.length; from += SENT_TOGETHER) {
    const together = events.slice(from, from + SENT_TOGETHER);
    await log.appendTo(
      'events',
      together.map((event) => ({ key: event.cluster, value: encodeEvent(event), id: null })),
    );
  }
  const consuming = await bareConsumer(topicName(settings, 'events'), events.length);
  print('bare kafkajs consumer', consuming, consuming);
  print('correlate', await correlated(log, events.length), consuming);
  const inserting = await bareInserts(server, events);
  print('bare inserts, rows', inserting, inserting);
  print('store, rows', await stored(log, server, `store_${run}`), inserting);
  await log.close();
}

/** As many clusters as are asked for, each of five hosts; about as many events in all, though each cluster has some 190. */
function eventsOf(clusters: number): Event[] {
  const { events: some } = fleetOf(Math.max(1, Math.round(EVENTS / 36 / clusters)));
  const copies = Array.from({ length: clusters }, (_, n) => `cluster-${n}`);
  return some.flatMap((event) =>
    copies.map((cluster) => ({ ...event, cluster, id: `${cluster} ${event.id}` })),
  );
}

/** From when it has its partitions on. */
async function bareConsumer(topic: string, count: number): Promise<Rate> {
  const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `bare-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const measuring = new Measuring();
  let left = count;
  await new Promise<void>((resolve, reject) => {
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
    consumer.on('consumer.group_join', () => measuring.begin());
    const eachBatch = async ({ batch }: { batch: { messages: unknown[] } }) => {
      left -= batch.messages.length;
      if (left <= 0) resolve();
    };
    consumer.run({ partitionsConsumedConcurrently: 12, eachBatch }).catch(reject);
  });
  const rate = measuring.rate(count);
  await consumer.disconnect();
  return rate;
}

function telemetry() {
  return {
    metrics: createMetrics({ version: 'bench', parts: [] }),
    health: new Health(Date.now),
    logger: silent,
  };
}

/** What joining the group and taking partitions over costs is not counted, as with the bare consumer. */
function fromBegun(log: KafkaEventLog, measuring: Measuring): ProcessorLog {
  const process_ = ({ handler, ...options }: ProcessOptions) =>
    log.process({
      ...options,
      handler: {
        async begin(partition, state) {
          await handler.begin(partition, state);
          measuring.begin();
        },
        take: (batch, partition) => handler.take(batch, partition),
        end: (partition) => handler.end(partition),
      },
    });
  return { process: process_, lag: (group, topic) => log.lag(group, topic), close: () => log.close() };
}

/** Until all is committed: outputs, state and positions. */
async function correlated(log: KafkaEventLog, count: number): Promise<Rate> {
  const stop = new AbortController();
  const measuring = new Measuring();
  const options = {
    correlator: {},
    batch_events_max: BATCH_EVENTS,
    keep_settled_us: KEEP_SETTLED_US,
    state_bytes_max: 2 ** 30,
  };
  const running = correlateRole({
    log: fromBegun(log, measuring),
    options,
    ...telemetry(),
    signal: stop.signal,
  });
  while ((await log.lag('correlate', 'events')).records > 0) await sleep(50);
  const rate = measuring.rate(count);
  stop.abort();
  await running;
  return rate;
}

/** Rows of events, made beforehand, into a table like that of events. */
async function bareInserts({ url }: ClickHouseServer, events: readonly Event[]): Promise<Rate> {
  const client = createClient({ url, log: QUIET });
  await client.command({ query: 'CREATE DATABASE IF NOT EXISTS bare' });
  await (await openStore({ client: createClient({ url, database: 'bare', log: QUIET }) })).close();
  const lines = events.map((event) => JSON.stringify(eventRow(event)));
  const measuring = new Measuring();
  measuring.begin();
  for (let from = 0; from < lines.length; from += ROWS_PER_INSERT) {
    const batch = lines.slice(from, from + ROWS_PER_INSERT).join('\n');
    const query = `INSERT INTO bare.events (${EVENT_COLUMNS.join(', ')}) FORMAT JSONCompactEachRow`;
    const values = Readable.from([Buffer.from(batch)], { objectMode: false });
    await text((await client.exec({ query, values })).stream);
  }
  const rate = measuring.rate(lines.length);
  await client.command({ query: 'DROP DATABASE bare' });
  await client.close();
  return rate;
}

/** Until no more rows come; that last wait is not counted. */
async function stored(log: KafkaEventLog, { url }: ClickHouseServer, database: string): Promise<Rate> {
  const admin = createClient({ url, log: QUIET });
  await admin.command({ query: `CREATE DATABASE ${database}` });
  const store = await openStore({ client: createClient({ url, database, log: QUIET }) });
  const { metrics, ...others } = telemetry();
  const rows = async () =>
    (await metrics.of.store_rows_total.get()).values.reduce((sum, { value }) => sum + value, 0);
  const stop = new AbortController();
  const measuring = new Measuring();
  const running = storeRole({
    log: fromBegun(log, measuring),
    open: async () => store,
    metrics,
    ...others,
    signal: stop.signal,
  });
  let seen = 0;
  let rate: Rate = { count: 0, per_s: 0, cpu_us: 0 };
  for (let quiet_ms = 0; quiet_ms < QUIET_MS || seen === 0; quiet_ms += 50) {
    await sleep(50);
    const now = await rows();
    if (now === seen) continue;
    seen = now;
    quiet_ms = 0;
    rate = measuring.rate(seen);
  }
  stop.abort();
  await running;
  await store.close();
  await admin.command({ query: `DROP DATABASE ${database}` });
  await admin.close();
  return rate;
}

function print(name: string, { count, per_s, cpu_us }: Rate, ceiling: Rate): void {
  const share = (100 * per_s) / ceiling.per_s;
  console.log(
    `  ${name.padEnd(22)} ${String(count).padStart(7)}  ${(per_s / 1000).toFixed(1).padStart(6)} k/s ` +
      `${share.toFixed(0).padStart(4)} %  ${cpu_us.toFixed(1).padStart(6)} µs CPU each`,
  );
}
