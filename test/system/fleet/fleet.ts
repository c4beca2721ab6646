import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { stringify } from 'yaml';
import { FORWARD_GROUP, forward } from '../../../src/eventlog/forward.js';
import { kafkaClient } from '../../../src/eventlog/kafka/client.js';
import { type KafkaEventLog, openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import { groupName, topicName } from '../../../src/eventlog/kafka/settings.js';
import { openLocalLog } from '../../../src/eventlog/local/local-log.js';
import type { EventLog, Topic } from '../../../src/eventlog/port.js';
import { openStore, type Store } from '../../../src/store/store.js';
import { CORRELATE_GROUP } from '../../../src/stream/processor.js';
import { STORE_GROUP } from '../../../src/stream/store-writer.js';
import { Health } from '../../../src/telemetry/health.js';
import { createMetrics } from '../../../src/telemetry/metrics.js';
import { freshSettings } from '../../services/kafka.js';
import { testLogger } from '../../services/test-logger.js';
import type { Arrival } from './recorded.js';
import { type Ended, RoleProcess, runCommand } from './role-process.js';

/** What takes longer will not come. */
const WAIT_MS_MAX = 120_000;
/** few enough that a history is many transactions */
const BATCH_EVENTS_MAX = 40;
const FORWARDED_TOGETHER_MAX = 100;
const STORED_TOPICS = ['events', 'timeline', 'findings'] as const satisfies Topic[];

export type Role = 'correlate' | 'store';

/** A fleet beside its servers: a collector's spool with its forwarder, and the roles as processes of the built program. */
export class Fleet {
  readonly kafka: KafkaEventLog;
  readonly roles: RoleProcess[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'migration-audit-fleet-'));
  readonly #servers: { broker: string; clickhouse: string };
  readonly #settings;
  readonly #spool: EventLog;
  readonly #stop = new AbortController();
  readonly #forwarding: Promise<void>;
  #started = 0;

  constructor(servers: { broker: string; clickhouse: string }) {
    this.#servers = servers;
    this.#settings = freshSettings(servers.broker);
    this.kafka = openKafkaLog(this.#settings, testLogger);
    this.#spool = openLocalLog({
      directory: join(this.#directory, 'spool'),
      bytes_max: 1 << 28,
      retain_us: 1e15,
    });
    this.#forwarding = forward({
      spool: this.#spool,
      to: this.kafka,
      signal: this.#stop.signal,
      batch_records_max: FORWARDED_TOGETHER_MAX,
      batch_bytes_max: 1 << 20,
      metrics: createMetrics({ version: 'test', parts: ['forward', 'event log'] }).of,
      condition: new Health(Date.now).condition('forward'),
      logger: testLogger,
    });
  }

  get #database(): string {
    return this.#settings.prefix.replaceAll('-', '_');
  }

  /** As an administrator prepares it. */
  async prepare(partitions: number): Promise<Ended> {
    await this.#asAdmin(`CREATE DATABASE ${this.#database}`);
    const { brokers, prefix } = this.#settings;
    const event_log = {
      kind: 'kafka',
      brokers: brokers.join(),
      topic_prefix: prefix,
      ssl: { enabled: false },
      partitions,
      replication: 1,
      session_timeout_s: 6,
    };
    const store = { kind: 'http', url: this.#servers.clickhouse, database: this.#database };
    const correlate = { batch_events_max: BATCH_EVENTS_MAX };
    const configuration = {
      cluster: 'lab',
      data_directory: join(this.#directory, 'data'),
      event_log,
      store,
      correlate,
      listen: { port: 0 },
    };
    writeFileSync(this.#file, stringify(configuration));
    return this.command('topics', 'create');
  }

  async #asAdmin(query: string): Promise<void> {
    const admin = createClient({ url: this.#servers.clickhouse });
    await admin.command({ query });
    await admin.close();
  }

  /** All that ClickHouse held is lost, and the writers, which nobody may run meanwhile, are to read all again. */
  async loseStore(): Promise<void> {
    await this.#asAdmin(`DROP DATABASE ${this.#database}`);
    await this.#asAdmin(`CREATE DATABASE ${this.#database}`);
    const admin = kafkaClient(this.#settings, testLogger).admin();
    await admin.connect();
    for (const topic of STORED_TOPICS) {
      const groupId = groupName(this.#settings, STORE_GROUP, topic);
      await admin.resetOffsets({ groupId, topic: topicName(this.#settings, topic), earliest: true });
    }
    await admin.disconnect();
  }

  get #file(): string {
    return join(this.#directory, 'config.yaml');
  }

  command(...args: string[]): Promise<Ended> {
    return runCommand([...args, '--config', this.#file]);
  }

  start(role: Role): RoleProcess {
    const started = new RoleProcess(`${role} ${++this.#started}`, [role, '--config', this.#file]);
    this.roles.push(started);
    return started;
  }

  /** Those of the role that nobody has ended. */
  running(role: Role): RoleProcess[] {
    return this.roles.filter(({ name, hasEnded }) => name.startsWith(`${role} `) && !hasEnded);
  }

  /** What a collector appends; its forwarder sends it in its own time. */
  async collected(some: readonly Arrival[]): Promise<void> {
    const records = some.map(({ cluster, value }) => ({ key: cluster, value, id: null }));
    await this.#spool.append({ records, checkpoints: new Map() });
  }

  /** Waits until all that was collected is judged and stored. */
  async settled(): Promise<void> {
    await this.until('all is forwarded', () => this.#spool.lag(FORWARD_GROUP, 'events').records === 0);
    await this.until('all is judged', () => this.#hasRead(CORRELATE_GROUP, 'events'));
    for (const topic of STORED_TOPICS)
      await this.until(`${topic} are stored`, () => this.#hasRead(STORE_GROUP, topic));
  }

  /** Events that were collected and not judged. */
  async waiting(): Promise<number> {
    const { records } = this.#spool.lag(FORWARD_GROUP, 'events');
    return records + (await this.kafka.lag(CORRELATE_GROUP, 'events')).records;
  }

  async #hasRead(group: string, topic: Topic): Promise<boolean> {
    return (await this.kafka.lag(group, topic)).records === 0;
  }

  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const late_ms = performance.now() + WAIT_MS_MAX;
    while (!(await isSo())) {
      if (performance.now() > late_ms) throw new Error(`it never came to this: ${what}\n${this.#said()}`);
      await sleep(50);
    }
  }

  /** The ends of all logs. */
  #said(): string {
    return this.roles
      .map(({ name, hasEnded, log }) => `${name}${hasEnded ? ', ended' : ''}:\n${log.slice(-3000)}`)
      .join('\n');
  }

  store(): Promise<Store> {
    const log = { level: ClickHouseLogLevel.OFF };
    const { clickhouse: url } = this.#servers;
    return openStore({ client: createClient({ url, database: this.#database, log }) });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const role of this.roles) {
      role.signal('SIGCONT');
      await role.end('SIGKILL');
    }
    await this.#forwarding;
    await Promise.all([this.#spool.close(), this.kafka.close()]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
