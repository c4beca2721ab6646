import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { ConfigResourceTypes, type Kafka, type Producer } from 'kafkajs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { kafkaClient } from '../../../src/eventlog/kafka/client.js';
import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import { latestStates } from '../../../src/eventlog/kafka/latest-states.js';
import { PartitionReader } from '../../../src/eventlog/kafka/partition-reader.js';
import { type KafkaSettings, topicName } from '../../../src/eventlog/kafka/settings.js';
import type { LogRecord, PartitionHandler } from '../../../src/eventlog/port.js';
import { describeWithKafka, freshSettings, sharedBroker, withTopics } from '../../services/kafka.js';
import { testLogger } from '../../services/test-logger.js';
import { record } from '../contract.js';
import { eventually, recordsIn } from './fleet.js';

describeWithKafka('what kafkajs 2.2.4 does and this log does not:', () => {
  let settings: KafkaSettings;
  let kafka: Kafka;
  let opened: { close(): Promise<void> }[];
  beforeEach(async () => {
    settings = await withTopics(freshSettings(await sharedBroker()), 2);
    kafka = kafkaClient(settings, testLogger);
    opened = [];
  });
  afterEach(() => Promise.all(opened.map((each) => each.close())));

  const openLog = () => {
    const log = openKafkaLog(settings, testLogger);
    opened.push(log);
    return log;
  };
  const producer = async (transactionalId: string): Promise<Producer> => {
    const made = kafka.producer({ transactionalId, allowAutoTopicCreation: false });
    await made.connect();
    opened.push({ close: () => made.disconnect() });
    return made;
  };

  it('an idle connection sets a timer every millisecond', async () => {
    const log = openLog();
    await log.appendTo('events', [record('a')]);
    const original = globalThis.setTimeout;
    let short = 0;
    globalThis.setTimeout = ((run: () => void, ms?: number) => {
      if ((ms ?? 0) <= 10) short++;
      return original(run, ms);
    }) as typeof setTimeout;
    try {
      await new Promise((resolve) => original(resolve, 300));
    } finally {
      globalThis.setTimeout = original;
    }
    expect(short).toBe(0);
  });

  it('a handler goes on with a partition that another process has by now', async () => {
    const log = openLog();
    const other = openLog();
    await log.appendTo(
      'events',
      Array.from({ length: 40 }, (_, n) => ({ ...record(`${n}`), key: `key ${n}` })),
    );
    const held = { release: deferred(), partitions: new Set<number>() };
    const stop = new AbortController();
    const taken: string[] = [];
    const copy = (batch: readonly LogRecord[]) =>
      batch.map(({ value }) => ({ topic: 'timeline' as const, record: { key: 'k', value, id: null } }));
    // the first member is stuck in its first batch of each partition until the second one took one of them over
    const first = log.process(
      options(stop.signal, {
        async begin() {},
        async take(batch, partition) {
          held.partitions.add(partition);
          await held.release.promise;
          return copy(batch);
        },
        async end() {},
      }),
    );
    await eventually('the first member holds two batches', async () => held.partitions.size === 2);
    const second = other.process(
      options(stop.signal, {
        async begin() {},
        async take(batch) {
          taken.push(...batch.map(({ value }) => value.toString()));
          return copy(batch);
        },
        async end() {},
      }),
    );
    await eventually('the second member has a partition', async () => taken.length > 0);
    held.release.resolve();
    const all = async () =>
      [...(await recordsIn(settings, 'timeline', 0)), ...(await recordsIn(settings, 'timeline', 1))].map(
        ({ value }) => value.toString(),
      );
    await eventually('all is copied', async () => (await all()).length >= 40);
    stop.abort();
    await Promise.all([first, second]);
    const copies = await all();
    expect(copies.length).toBe(40);
    expect(new Set(copies).size).toBe(40);
  });

  it('what was resolved is forgotten when the group changes, and comes again', async () => {
    const log = openLog();
    const stop = new AbortController();
    let taken = 0;
    const begun: number[] = [];
    const handler: PartitionHandler = {
      async begin(partition) {
        begun.push(partition);
      },
      async take(batch) {
        taken += batch.length;
        return batch.map(({ partition, offset }) => ({
          topic: 'timeline' as const,
          record: { key: 'k', value: Buffer.from(`${partition}:${offset}`), id: null },
        }));
      },
      async end() {},
    };
    const reading = log.process(options(stop.signal, handler));
    const add = (round: number) =>
      log.appendTo(
        'events',
        Array.from({ length: 20 }, (_, n) => ({ ...record(`${round} ${n}`), key: `key ${n}` })),
      );
    await add(0);
    await eventually('the first records are taken', async () => taken >= 20);
    // a member that comes and goes: both times the group begins anew
    const guest = openLog();
    const left = new AbortController();
    const visiting = guest.process(options(left.signal, handler));
    await eventually('the guest has a partition', async () => begun.length >= 3);
    left.abort();
    await visiting;
    await add(1);
    await eventually('the next records are taken', async () => taken >= 40);
    await sleep(500);
    stop.abort();
    await reading;
    // a commit that failed has a batch taken again; what counts is what was committed of it
    const committed = await Promise.all(
      [0, 1].map((partition) => recordsIn(settings, 'timeline', partition)),
    );
    const offsets = committed.flat().map(({ value }) => value.toString());
    expect(new Set(offsets).size).toBe(offsets.length);
    expect(offsets.length).toBe(40);
  });

  it('a batch that compaction emptied is asked for again and again', async () => {
    const topic = topicName(settings, 'state');
    await shortenSegments(kafka, topic);
    const log = openLog();
    // each idempotent producer's last batch stays when its records go, for what it holds of the producer
    for (const value of ['1', '2', '3', '4']) {
      const alone = kafka.producer({
        idempotent: true,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      });
      await alone.connect();
      await alone.send({ topic, messages: [{ key: 'x', value }] });
      await alone.disconnect();
      await sleep(150);
    }
    await log.appendTo('state', [{ ...record('5'), key: 'x' }]);
    const partitionOf = async () => {
      for (const partition of [0, 1])
        if ((await recordsIn(settings, 'state', partition)).length > 0) return partition;
      return -1;
    };
    const partition = await partitionOf();
    const reader = new PartitionReader(kafka, topic, 'state', partition);
    opened.push(reader);
    await reader.open();
    await eventually('the broker compacts', async () => {
      const { records, next } = await reader.fetch(0, 100, 1);
      return records.length === 0 && next > 0;
    });
    const states: string[] = [];
    for await (const { value } of latestStates(reader)) states.push(value.toString());
    expect(states).toEqual(['5']);
  });

  it('records of an aborted transaction are read when two of them were open at once', async () => {
    const topic = topicName(settings, 'timeline');
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((id) => producer(`${settings.prefix}.${id}`)));
    const [first, second, third] = await Promise.all(
      [a, b, c].map((each) => (each as Producer).transaction()),
    );
    const send = (transaction: typeof first, value: string) =>
      transaction?.send({ topic, messages: [{ partition: 0, key: 'k', value }] });
    await send(first, 'aborted 1');
    await send(second, 'aborted 2');
    await send(third, 'committed');
    await send(second, 'aborted 3');
    await send(first, 'aborted 4');
    await first?.abort();
    await third?.commit();
    await second?.abort();
    const reader = new PartitionReader(kafka, topic, 'timeline', 0);
    opened.push(reader);
    await reader.open();
    const valuesFrom = async (offset: number) =>
      (await reader.fetch(offset, 100)).records.map(({ value }) => value.toString());
    await eventually('the transactions have ended', async () => (await valuesFrom(0)).length > 0);
    for (const offset of [0, 1, 2]) expect(await valuesFrom(offset)).toEqual(['committed']);
    for (const offset of [3, 4]) expect(await valuesFrom(offset)).toEqual([]);
  });
});

async function shortenSegments(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = Object.entries({
    'cleanup.policy': 'compact',
    'segment.ms': '100',
    'min.cleanable.dirty.ratio': '0.001',
    'delete.retention.ms': '0',
  }).map(([name, value]) => ({ name, value }));
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  });
  await admin.disconnect();
}

function options(signal: AbortSignal, handler: PartitionHandler) {
  return {
    group: 'group',
    topic: 'events' as const,
    signal,
    batch_records_max: 5,
    batch_bytes_max: 1 << 20,
    idle_ms: null,
    outputs: ['timeline' as const],
    handler,
  };
}

function deferred() {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
