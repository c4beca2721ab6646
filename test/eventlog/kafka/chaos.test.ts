import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import type { KafkaSettings } from '../../../src/eventlog/kafka/settings.js';
import type { Appender, ProcessorLog } from '../../../src/eventlog/port.js';
import { describeWithKafka, freshSettings, withTopics } from '../../services/kafka.js';
import { KafkaBroker } from '../../services/kafka-broker.js';
import { testLogger } from '../../services/test-logger.js';
import { Copier, expectNoAnomaly, Source, tookMore } from './fleet.js';

const PARTITIONS = 3;
const KEYS = 12;
const POINTS = ['before-transaction', 'after-position', 'before-commit', 'after-commit'];
const SEED = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const BROKER_AWAY_MS = 60_000;

describeWithKafka(`a fleet in trouble, seed ${SEED} (CHAOS_SEED)`, { timeout: 300_000 }, () => {
  let broker: KafkaBroker;
  let settings: KafkaSettings;
  let log: ProcessorLog & Appender;
  let source: Source;
  let copiers: Copier[];
  let random = SEED;
  const upTo = (most: number) => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return 1 + ((random >>> 16) % most);
  };
  const copier = (
    ...args: ConstructorParameters<typeof Copier> extends [unknown, ...infer Rest] ? Rest : never
  ) => {
    const started = new Copier(settings, ...args);
    copiers.push(started);
    return started;
  };

  beforeAll(async () => {
    broker = await KafkaBroker.start();
  });
  afterAll(() => broker?.destroy());
  beforeEach(async () => {
    copiers = [];
    const fresh = freshSettings(broker.address, { session_timeout_ms: 2_000 });
    settings = await withTopics(fresh, PARTITIONS);
    log = openKafkaLog(settings, testLogger);
    source = new Source(log, KEYS);
  });
  afterEach(async () => {
    await source.end();
    await Promise.all(copiers.map((each) => each.end('SIGKILL')));
    await log.close();
  });

  const nothingIsAnomalous = () => expectNoAnomaly(settings, PARTITIONS, source, copiers);

  it('with processors killed inside a transaction copies every event once', async () => {
    for (let kill = 0; kill < 2 * POINTS.length; kill++) {
      const point = POINTS[kill % POINTS.length] as string;
      const victim = copier({ signal: 'SIGKILL', point, nth: upTo(20) });
      await victim.exited;
      expect(victim.process.signalCode).toBe('SIGKILL');
    }
    copier();
    await nothingIsAnomalous();
  });

  it('with a zombie that wakes up inside a transaction copies every event once', async () => {
    for (const point of ['after-position', 'before-commit']) {
      const zombie = copier({ signal: 'SIGSTOP', point, nth: upTo(10) });
      await zombie.until('signal');
      const heir = copier();
      await heir.until('took', 20);
      zombie.process.kill('SIGCONT');
      await zombie.until('end');
      await heir.end();
    }
    await nothingIsAnomalous();
  });

  it('with members that come and go in mid-batch copies every event once', async () => {
    copier();
    for (let round = 0; round < 3; round++) {
      const guest = copier();
      await guest.until('took', upTo(10));
      await guest.end(round % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
    }
    await nothingIsAnomalous();
  });

  it(`with the broker killed, away for ${BROKER_AWAY_MS / 1000} s, and then restarted, loses nothing and goes on`, async () => {
    const both = [copier(), copier()];
    await tookMore(both, PARTITIONS);
    await broker.kill();
    await sleep(BROKER_AWAY_MS);
    await broker.restart();
    await tookMore(both, PARTITIONS);
    expect(source.failures).toBeGreaterThan(0);
    await broker.stop();
    await broker.restart();
    await tookMore(both, PARTITIONS);
    await nothingIsAnomalous();
  });

  // while the processors come back from the first time
  it('with the broker killed again as soon as it is back, goes on', async () => {
    const both = [copier(), copier()];
    await tookMore(both, PARTITIONS);
    for (let kill = 0; kill < 4; kill++) {
      await broker.kill();
      await broker.restart();
      await sleep(upTo(4_000));
    }
    await tookMore(both, PARTITIONS);
    await nothingIsAnomalous();
  });
});
