import type { Admin } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { kafkaClient } from '../../../src/eventlog/kafka/client.js';
import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import { type KafkaSettings, topicName } from '../../../src/eventlog/kafka/settings.js';
import { checkTopics, createTopics } from '../../../src/eventlog/kafka/topics.js';
import { type Appender, type ProcessorLog, TOPICS } from '../../../src/eventlog/port.js';
import { describeWithKafka, freshSettings } from '../../services/kafka.js';
import { KafkaCluster } from '../../services/kafka-cluster.js';
import { testLogger } from '../../services/test-logger.js';
import { Copier, eventually, expectNoAnomaly, Source, tookMore } from './fleet.js';

const BROKERS = 3;
const PARTITIONS = 3;
const KEYS = 12;
const PLAN = { partitions: PARTITIONS, replication: BROKERS, retention_h: 24 };

describeWithKafka('several brokers', { timeout: 300_000 }, () => {
  let cluster: KafkaCluster;
  let settings: KafkaSettings;
  let admin: Admin;

  beforeAll(async () => {
    cluster = await KafkaCluster.start(BROKERS);
  }, 180_000);
  afterAll(() => cluster?.destroy());
  beforeEach(async () => {
    settings = { ...freshSettings('', { session_timeout_ms: 2_000 }), brokers: cluster.addresses };
    admin = kafkaClient(settings, testLogger).admin();
    await admin.connect();
  });
  afterEach(() => admin.disconnect());

  const partitionsOf = async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topicName(settings, 'events')] });
    return topics[0]?.partitions ?? [];
  };
  const allInSync = () =>
    eventually('all copies are in sync', async () => {
      const partitions = await partitionsOf().catch(() => []);
      return partitions.length === PARTITIONS && partitions.every(({ isr }) => isr.length === BROKERS);
    });

  it('hold topics of three copies, and a check tells those of fewer', async () => {
    await createTopics(settings, PLAN, testLogger);
    expect(await checkTopics(settings, PLAN, testLogger)).toEqual([]);
    const fewer = { ...settings, prefix: `${settings.prefix}-fewer` };
    await createTopics(fewer, { ...PLAN, replication: 1 }, testLogger);
    const problems = await checkTopics(fewer, PLAN, testLogger);
    const wanted = TOPICS.flatMap((topic) => [
      { topic: topicName(fewer, topic), setting: 'replication', found: '1', wanted: 'at least 3' },
      { topic: topicName(fewer, topic), setting: 'min.insync.replicas', found: '1', wanted: 'at least 2' },
    ]).map((problem) => ({ ...problem, severity: 'warning' }));
    expect(problems).toHaveLength(wanted.length);
    expect(problems).toEqual(expect.arrayContaining(wanted));
  });

  describe('of which some are killed', () => {
    let log: ProcessorLog & Appender;
    let source: Source;
    let copiers: Copier[];
    beforeEach(async () => {
      await createTopics(settings, PLAN, testLogger);
      // somebody else's, of which each broker that is killed takes a partition with it
      const topic = `${settings.prefix}-of-others`;
      await admin.createTopics({
        waitForLeaders: false,
        topics: [{ topic, numPartitions: BROKERS, replicationFactor: 1 }],
      });
      log = openKafkaLog(settings, testLogger);
      source = new Source(log, KEYS);
      copiers = [new Copier(settings), new Copier(settings)];
      await tookMore(copiers, PARTITIONS);
    });
    afterEach(async () => {
      await source.end();
      await Promise.all(copiers.map((each) => each.end('SIGKILL')));
      await log.close();
    });

    const nothingIsAnomalous = () => expectNoAnomaly(settings, PARTITIONS, source, copiers);

    // so each of them once, whichever it was that led a partition, coordinated the group or the transactions
    it('one after the other, go on without it', async () => {
      for (const id of Array.from({ length: BROKERS }, (_, index) => index + 1)) {
        await allInSync();
        await cluster.broker(id).kill();
        await eventually('others lead its partitions', async () => {
          const partitions = await partitionsOf().catch(() => []);
          return partitions.length > 0 && partitions.every(({ leader }) => leader !== id && leader > 0);
        });
        await tookMore(copiers, PARTITIONS);
        expect(await checkTopics(settings, PLAN, testLogger)).toEqual([]);
        await cluster.broker(id).restart();
      }
      await nothingIsAnomalous();
    });

    it('all but one, take nothing that they could lose, and go on when they are back', async () => {
      await allInSync();
      await Promise.all([1, 2].map((id) => cluster.broker(id).kill()));
      await eventually('an append is refused', async () => source.failures > 0);
      await Promise.all([1, 2].map((id) => cluster.broker(id).restart()));
      await tookMore(copiers, PARTITIONS);
      await nothingIsAnomalous();
    });
  });
});
