import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type KafkaEventLog, openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import type { KafkaSettings } from '../../../src/eventlog/kafka/settings.js';
import { describeWithKafka, freshSettings, withTopics } from '../../services/kafka.js';
import type { KafkaBroker } from '../../services/kafka-broker.js';
import { brokerBehind, LossyProxy } from '../../services/lossy-proxy.js';
import { testLogger } from '../../services/test-logger.js';
import { copying } from './copying.js';
import { eventually, recordsIn, verdictOn } from './fleet.js';

/** Kinds of requests, by Kafka's numbers for them. */
const PRODUCE = 0;
const KINDS = [
  ['Produce', PRODUCE],
  ['InitProducerId', 22],
  ['AddPartitionsToTxn', 24],
  ['AddOffsetsToTxn', 25],
  ['EndTxn', 26],
  ['TxnOffsetCommit', 28],
] as const;
const LOST = 2;
const EVENTS = 60;

describeWithKafka('a reply that was lost', () => {
  let proxy: LossyProxy;
  let broker: KafkaBroker;
  let direct: KafkaSettings;
  let lossy: KafkaSettings;
  let opened: KafkaEventLog[];

  beforeAll(async () => {
    proxy = await LossyProxy.start();
    broker = await brokerBehind(proxy, 'PLAINTEXT');
  });
  afterAll(async () => {
    await proxy?.close();
    await broker?.destroy();
  });
  beforeEach(async () => {
    direct = await withTopics(freshSettings(broker.address));
    lossy = { ...direct, brokers: [`127.0.0.1:${proxy.port}`] };
    opened = [];
    proxy.lost = 0;
  });
  afterEach(async () => {
    proxy.lose(PRODUCE, 0);
    await Promise.all(opened.map((log) => log.close()));
  });

  const open = (settings: KafkaSettings) => {
    const log = openKafkaLog(settings, testLogger);
    opened.push(log);
    return log;
  };
  const records = (round: number) =>
    Array.from({ length: EVENTS }, (_, n) => ({ key: 'k', value: Buffer.from(`${round} ${n}`), id: null }));

  it.each(KINDS)('to %s leaves every output there once', async (_name, kind) => {
    const source = open(direct);
    const stop = new AbortController();
    const said: string[] = [];
    const running = open(lossy).process({
      group: 'copy',
      topic: 'events',
      signal: stop.signal,
      batch_records_max: 10,
      batch_bytes_max: 1 << 20,
      idle_ms: null,
      outputs: ['timeline', 'state'],
      handler: copying('only', (...words) => said.push(words.join(' '))),
    });
    if (kind === 22) proxy.lose(kind, LOST);
    await source.appendTo('events', records(0));
    await eventually('the first events are copied', async () => said.includes(`took 0 ${EVENTS}`));
    if (kind !== 22) proxy.lose(kind, LOST);
    await source.appendTo('events', records(1));
    await eventually('replies were lost', async () => proxy.lost === LOST);
    const { anomalies, copies } = await verdictOn(direct, 1, []);
    stop.abort();
    await running;
    expect(anomalies).toEqual([]);
    expect(copies).toBe(2 * EVENTS);
    expect(said.filter((line) => line.startsWith('mismatch'))).toEqual([]);
  });

  it('to an append loses nothing, and keeps the order', async () => {
    const log = open(lossy);
    await log.appendTo('events', records(0));
    proxy.lose(PRODUCE, LOST);
    await log.appendTo('events', records(1));
    expect(proxy.lost).toBe(LOST);
    await log.appendTo('events', records(2));
    const values = (await recordsIn(direct, 'events', 0)).map(({ value }) => value.toString());
    const wanted = [0, 1, 2].flatMap((round) => records(round).map(({ value }) => value.toString()));
    expect([...new Set(values)]).toEqual(wanted);
  });
});
