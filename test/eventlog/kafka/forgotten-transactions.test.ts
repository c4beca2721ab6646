import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, it } from 'vitest';
import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import type { KafkaSettings } from '../../../src/eventlog/kafka/settings.js';
import type { Appender, ProcessorLog } from '../../../src/eventlog/port.js';
import { describeWithKafka, freshSettings, withTopics } from '../../services/kafka.js';
import type { KafkaBroker } from '../../services/kafka-broker.js';
import { brokerBehind, LossyProxy } from '../../services/lossy-proxy.js';
import { testLogger } from '../../services/test-logger.js';
import { Copier, eventually, expectNoAnomaly, Source, tookMore } from './fleet.js';

const WRITE_TRANSACTION_MARKS = 27;
const PARTITIONS = 3;
const KEYS = 12;
const CONFIRMED_MS = 1_000;
/** whether it forgets depends on when it is told that its partitions have no leader while it comes back */
const ROUNDS = 5;

/** See src/eventlog/kafka/take-over.ts. The broker sends the marks to itself, over a connection that a test can cut. */
describeWithKafka('a broker that is killed between confirming a transaction and writing its marks', () => {
  let proxy: LossyProxy;
  let broker: KafkaBroker;
  let settings: KafkaSettings;
  let log: ProcessorLog & Appender;
  let source: Source;
  let copier: Copier;
  beforeEach(async () => {
    proxy = await LossyProxy.start();
    broker = await brokerBehind(proxy, 'SECURE');
    settings = await withTopics(freshSettings(broker.address, { session_timeout_ms: 2_000 }), PARTITIONS);
    log = openKafkaLog(settings, testLogger);
    source = new Source(log, KEYS);
    copier = new Copier(settings);
  });
  afterEach(async () => {
    await source.end();
    await copier.end('SIGKILL');
    await log.close();
    await broker.destroy();
    await proxy.close();
  });

  it('may forget its end, and nothing stands still, is lost or comes twice', async () => {
    await tookMore([copier], PARTITIONS);
    for (let round = 0; round < ROUNDS; round++) {
      const lost = proxy.lost;
      proxy.swallow(WRITE_TRANSACTION_MARKS);
      await eventually('marks are lost', async () => proxy.lost > lost);
      // others wait behind these
      await sleep(CONFIRMED_MS);
      await broker.kill();
      proxy.swallow(null);
      await broker.restart();
      await tookMore([copier], PARTITIONS);
    }
    await expectNoAnomaly(settings, PARTITIONS, source, [copier]);
  });
});
