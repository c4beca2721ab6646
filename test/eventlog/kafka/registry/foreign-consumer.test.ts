import { setTimeout as sleep } from 'node:timers/promises';
import avsc from 'avsc';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openKafka } from '../../../../src/commands/event-log.js';
import { loadConfiguration } from '../../../../src/config/load.js';
import type { Configuration } from '../../../../src/config/schema.js';
import { kafkaClient } from '../../../../src/eventlog/kafka/client.js';
import { type KafkaEventLog, openKafkaLog } from '../../../../src/eventlog/kafka/kafka-log.js';
import { recordsOf } from '../../../../src/eventlog/kafka/latest-states.js';
import { PartitionReader } from '../../../../src/eventlog/kafka/partition-reader.js';
import { topicName } from '../../../../src/eventlog/kafka/settings.js';
import type { LogRecord, Topic } from '../../../../src/eventlog/port.js';
import { decodeConclusion, decodeEvent, encodeEvent } from '../../../../src/events/codec.js';
import { correlateRole } from '../../../../src/stream/correlate-role.js';
import { Health } from '../../../../src/telemetry/health.js';
import { createMetrics } from '../../../../src/telemetry/metrics.js';
import { runCommand } from '../../../commands/run-command.js';
import { describeWithKafka, freshSettings, sharedBroker } from '../../../services/kafka.js';
import { SchemaRegistry } from '../../../services/schema-registry.js';
import { testLogger } from '../../../services/test-logger.js';
import { KEEPS_ALL } from '../../../stream/support.js';
import { type Recorded, recorded } from '../../../system/fleet/recorded.js';

/** One that leads to a finding. */
const INCIDENT = 's4-mismatch-fail';
const WAIT_MS_MAX = 60_000;
/** Of a schema that nobody registered. */
const UNKNOWN_ID = 4711;

describeWithKafka('topics with a schema registry', () => {
  let registry: SchemaRegistry;
  let lab: Recorded;
  let env: Record<string, string>;
  let configured: Extract<Configuration['event_log'], { kind: 'kafka' }>;
  const logs: KafkaEventLog[] = [];

  beforeAll(async () => {
    [registry, lab] = await Promise.all([SchemaRegistry.start(), recorded([INCIDENT])]);
    registry.authorization = `Basic ${Buffer.from('audit:s3cret').toString('base64')}`;
    const { brokers, prefix } = freshSettings(await sharedBroker());
    env = {
      MIGRATION_AUDIT_CLUSTER: 'lab',
      MIGRATION_AUDIT_EVENT_LOG_KIND: 'kafka',
      MIGRATION_AUDIT_EVENT_LOG_BROKERS: brokers.join(','),
      MIGRATION_AUDIT_EVENT_LOG_TOPIC_PREFIX: prefix,
      MIGRATION_AUDIT_EVENT_LOG_SSL_ENABLED: 'false',
      MIGRATION_AUDIT_EVENT_LOG_PARTITIONS: '1',
      MIGRATION_AUDIT_EVENT_LOG_REPLICATION: '1',
      MIGRATION_AUDIT_EVENT_LOG_SCHEMA_REGISTRY_URL: registry.url,
      MIGRATION_AUDIT_EVENT_LOG_SCHEMA_REGISTRY_USERNAME: 'audit',
      MIGRATION_AUDIT_EVENT_LOG_SCHEMA_REGISTRY_PASSWORD: 's3cret',
    };
    const { configuration } = await loadConfiguration({ file: undefined, environment: env });
    if (configuration.event_log.kind === 'kafka') configured = configuration.event_log;
  });
  afterAll(async () => {
    for (const log of logs) await log.close();
    await registry?.close();
  });

  const settings = () => freshSettings(configured.brokers, { prefix: configured.topic_prefix });

  /** As a role opens it. */
  async function opened(health: Health): Promise<KafkaEventLog> {
    const log = await openKafka(configured, 'hosta', testLogger, health.condition('schema-registry'));
    logs.push(log);
    return log;
  }

  /** All that is in a topic, as it is there. */
  async function bytesOf(topic: Topic): Promise<LogRecord[]> {
    const reader = new PartitionReader(
      kafkaClient(settings(), testLogger),
      topicName(settings(), topic),
      topic,
      0,
    );
    await reader.open();
    const { first, end } = await reader.bounds();
    const records: LogRecord[] = [];
    for await (const record of recordsOf(reader, first, end)) records.push(record);
    await reader.close();
    return records;
  }

  /** What a program that knows nothing but the registry makes of a record. */
  async function foreign({ value }: LogRecord): Promise<Record<string, unknown>> {
    expect(value[0]).toBe(0);
    const answer = await fetch(`${registry.url}/schemas/ids/${value.readInt32BE(1)}`, {
      headers: { authorization: registry.authorization as string },
    });
    const { schema } = (await answer.json()) as { schema: string };
    return avsc.Type.forSchema(JSON.parse(schema)).fromBuffer(value.subarray(5));
  }

  it('are read by others, from events in both forms to findings', async () => {
    const health = new Health(Date.now);
    const command = (...argv: string[]) => runCommand(argv, { env });
    const log = await opened(health);
    const value = (index: number) => encodeEvent(lab.events[index] as (typeof lab.events)[number]);
    const records = lab.events.map((_, index) => ({ key: INCIDENT, value: value(index), id: null }));
    const half = records.length >> 1;

    // no schema is registered by the way
    expect(await command('topics', 'check')).toMatchObject({ exit: 3 });
    await expect(log.appendTo('events', records)).rejects.toMatchObject({ code: 'MA_SCHEMA_NOT_REGISTERED' });
    expect(health.conditions).toMatchObject([{ name: 'schema-registry', isReady: false }]);
    const created = await command('topics', 'create');
    expect(created).toMatchObject({ exit: 0, err: '' });
    expect(created.out).toContain(`registered ${configured.topic_prefix}.findings-value\n`);
    expect(await command('topics', 'check')).toMatchObject({ exit: 0 });

    // a collector of before, then one with the registry; among their events one whose schema nobody has
    const before = openKafkaLog(settings(), testLogger);
    logs.push(before);
    await before.appendTo('events', records.slice(0, half));
    const poison = Buffer.from([0, 0, 0, UNKNOWN_ID >> 8, UNKNOWN_ID & 255, 1, 2, 3]);
    await before.appendTo('events', [{ key: INCIDENT, value: poison, id: null }]);
    await log.appendTo('events', records.slice(half));
    expect(health.conditions).toMatchObject([{ name: 'schema-registry', isReady: true }]);

    // the processor comes while the registry is away, and waits without giving anything up
    registry.trouble = 'no answer';
    const processor = new Health(Date.now);
    const stop = new AbortController();
    const running = correlateRole({
      log: await opened(processor),
      options: { ...KEEPS_ALL, correlator: { sharedPaths: [], localPaths: [] }, batch_events_max: 50 },
      metrics: createMetrics({ version: 'test', parts: [] }),
      health: processor,
      logger: testLogger,
      signal: stop.signal,
    });
    const registryOf = () => processor.conditions.find(({ name }) => name === 'schema-registry');
    await until('it says that the registry is away', async () => registryOf()?.reason !== 'is starting');
    expect(registryOf()).toMatchObject({ isReady: false });
    expect(await bytesOf('dead-letters')).toEqual([]);
    registry.trouble = null;
    await until('all was judged', async () => (await log.lag('correlate', 'events')).records <= 0);
    stop.abort();
    await running;
    expect(registryOf()).toMatchObject({ isReady: true });

    // whoever knows the registry reads all of it
    const events = (await bytesOf('events')).slice(half + 1);
    const read = await Promise.all(events.map(foreign));
    expect(read.map(({ sequence }) => sequence)).toEqual(
      lab.events.slice(half).map(({ sequence }) => sequence),
    );
    const conclusions = await Promise.all((await bytesOf('findings')).map(foreign));
    // of what was said of an item, the last holds
    const last = new Map(conclusions.map(({ id, retracted }) => [String(id), retracted]));
    const standing = [...last].flatMap(([id, retracted]) => (retracted ? [] : [id]));
    expect(standing).toEqual(lab.reports.get(INCIDENT)?.findings.map(({ id }) => id));
    for (const entry of await bytesOf('timeline')) expect(await foreign(entry)).toHaveProperty('item');
    const [letter] = await Promise.all((await bytesOf('dead-letters')).map(foreign));
    expect(letter).toMatchObject({ reason: 'unknown-schema', group: 'correlate', value: poison });
    expect(letter?.['text']).toContain(`id ${UNKNOWN_ID} `);

    // what is for processors alone needs no registry, and we read all of it ourselves
    const states = await bytesOf('state');
    expect(states.length).toBeGreaterThan(0);
    expect(states.filter(({ value: bytes }) => bytes[0] === 0)).toEqual([]);
    const own = [];
    for await (const { value: bytes } of log.scan('events')) if (bytes[0] !== 0) own.push(decodeEvent(bytes));
    expect(own).toEqual(lab.events);
    for await (const { value: bytes } of log.scan('findings')) decodeConclusion(bytes);
  });

  async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const end_ms = performance.now() + WAIT_MS_MAX;
    while (!(await isSo())) {
      if (performance.now() > end_ms) throw new Error(`waited in vain until ${what}`);
      await sleep(100);
    }
  }
});
