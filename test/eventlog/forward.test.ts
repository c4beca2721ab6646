import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { deadLetter, readDeadLetter } from '../../src/eventlog/dead-letter.js';
import { FORWARD_GROUP, forward } from '../../src/eventlog/forward.js';
import { type KafkaEventLog, openKafkaLog } from '../../src/eventlog/kafka/kafka-log.js';
import type { KafkaSettings } from '../../src/eventlog/kafka/settings.js';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import type { EventLog, LogRecord } from '../../src/eventlog/port.js';
import { Health } from '../../src/telemetry/health.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { describeWithKafka, freshSettings, sharedBroker, withTopics } from '../services/kafka.js';
import { KafkaBroker } from '../services/kafka-broker.js';
import { testLogger } from '../services/test-logger.js';
import { append, readUntil, record } from './contract.js';
import { eventually, recordsIn } from './kafka/fleet.js';

const SPOOL_BYTES_MAX = 200_000;

describeWithKafka('a forwarder', () => {
  let directory: string;
  let spool: EventLog;
  let opened: { close(): Promise<void> }[];
  let stop: AbortController;
  const metrics = () => createMetrics({ version: '0', parts: ['forward', 'event log'] });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'migration-audit-forward-'));
    spool = openLocalLog({ directory, bytes_max: SPOOL_BYTES_MAX, retain_us: 1e12 });
    opened = [];
    stop = new AbortController();
  });
  afterEach(async () => {
    await spool.close();
    await Promise.all(opened.map((each) => each.close()));
    await rm(directory, { recursive: true });
  });

  const open = (settings: KafkaSettings): KafkaEventLog => {
    const log = openKafkaLog(settings, testLogger);
    opened.push(log);
    return log;
  };
  const begin = (to: KafkaEventLog) => {
    const health = new Health(() => 0);
    const { of } = metrics();
    const running = forward({
      spool,
      to,
      signal: stop.signal,
      batch_records_max: 50,
      batch_bytes_max: 1 << 20,
      metrics: of,
      condition: health.condition('forward'),
      logger: testLogger,
    });
    return { running, health, of };
  };
  const lag = () => spool.lag(FORWARD_GROUP, 'events').records;
  const valuesOf = (records: readonly LogRecord[]) => records.map(({ value }) => value.toString());

  it('sends a spool on in its order, and what is added later', async () => {
    const settings = await withTopics(freshSettings(await sharedBroker()));
    const names = Array.from({ length: 120 }, (_, n) => `event ${n}`);
    await append(
      spool,
      names.slice(0, 100).map((name) => record(name)),
    );
    const { running, health, of } = begin(open(settings));
    await eventually('the backlog is sent', async () => lag() === 0);
    await append(
      spool,
      names.slice(100).map((name) => record(name)),
    );
    await eventually('the rest is sent', async () => lag() === 0);
    stop.abort();
    await running;
    expect(valuesOf(await recordsIn(settings, 'events', 0))).toEqual(names);
    expect(health.isReady).toBe(true);
    expect((await of.forward_events_total.get()).values[0]?.value).toBe(120);
  });

  it('puts what the brokers never take to the dead letters of the spool, and goes on', async () => {
    const settings = await withTopics(freshSettings(await sharedBroker(), { compression: 'none' }));
    // what the collector thinks that brokers take is more than they do
    const to = open({ ...settings, batch_bytes_max: 10_000_000 });
    await spool.close();
    spool = openLocalLog({ directory, bytes_max: 1 << 24, retain_us: 1e12 });
    const large = (id: string) => ({ ...record(id), value: Buffer.alloc(1_500_000, id) });
    const small = Array.from({ length: 6 }, (_, n) => record(`small ${n}`));
    await append(spool, [
      large('a'),
      ...small.slice(0, 3),
      large('b'),
      large('c'),
      ...small.slice(3),
      large('d'),
    ]);
    const { running } = begin(to);
    await eventually('all is dealt with', async () => lag() === 0);
    stop.abort();
    await running;
    expect(valuesOf(await recordsIn(settings, 'events', 0))).toEqual(small.map(({ id }) => id));
    const dead: string[] = [];
    for await (const letter of spool.scan('dead-letters')) {
      const { reason, from, value } = readDeadLetter(letter);
      expect(reason).toBe('too-large');
      expect(value.length).toBe(1_500_000);
      dead.push(`${from.offset} ${value.subarray(0, 1)}`);
    }
    expect(dead).toEqual(['0 a', '4 b', '5 c', '9 d']);
  });

  it('with the brokers away keeps everything, says so, and lets the spool fill up to its limit', async () => {
    const broker = await KafkaBroker.start();
    opened.push({ close: () => broker.destroy() });
    const settings = await withTopics(freshSettings(broker.address));
    const { running, health, of } = begin(open(settings));
    const names: string[] = [];
    const add = async (count: number) => {
      const more = Array.from({ length: count }, (_, n) => `${names.length + n} `.padEnd(1_000, 'x'));
      await append(
        spool,
        more.map((name) => record(name)),
      );
      names.push(...more);
    };
    await add(20);
    await eventually('the first events are sent', async () => lag() === 0);
    await broker.kill();
    await add(1);
    await eventually('the forwarder is not ready', async () => !health.isReady);
    expect(health.conditions[0]?.reason).toMatch(/brokers do not take events/);
    expect((await of.forward_errors_total.get()).values[0]?.value).toBeGreaterThan(0);
    let refused: unknown = null;
    while (refused === null) await add(10).catch((error) => (refused = error));
    expect(refused).toMatchObject({ code: 'MA_LOG_FULL' });
    expect(lag()).toBe(names.length - 20);
    const shown = async () => (await of.event_log_lag_events.get()).values[0]?.value;
    await eventually('the backlog is shown', async () => (await shown()) === names.length - 20);
    await broker.restart();
    await eventually('all is sent', async () => lag() === 0);
    await add(10);
    await eventually('there is room again', async () => lag() === 0);
    expect(await shown()).toBe(0);
    stop.abort();
    await running;
    expect(health.isReady).toBe(true);
    // an acknowledgement that was lost doubles a batch, and nothing else
    const sent = valuesOf(await recordsIn(settings, 'events', 0));
    expect([...new Set(sent)]).toEqual(names);
  });

  it('ends at once while the brokers are away, and keeps its position', async () => {
    await append(spool, [record('a')]);
    const { running, health } = begin(open(freshSettings('127.0.0.1:1')));
    await eventually(
      'the forwarder is not ready',
      async () => !health.isReady && health.conditions[0]?.reason !== 'is starting',
    );
    stop.abort();
    await running;
    expect(lag()).toBe(1);
  });
});

describeWithKafka('a poison message', () => {
  const POISON = 'poison';

  it.each([
    ['first', [0]],
    ['in the middle', [4]],
    ['last', [9]],
    ['before and after', [0, 9]],
    ['several in a row', [3, 4, 5]],
    ['everywhere', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
  ])('%s goes to the dead letters, and holds nothing up', async (_where, positions) => {
    const settings = await withTopics(freshSettings(await sharedBroker()));
    const log = openKafkaLog(settings, testLogger);
    const names = Array.from({ length: 10 }, (_, n) => (positions.includes(n) ? POISON : `event ${n}`));
    await log.appendTo(
      'events',
      names.map((name) => record(name)),
    );
    await readUntil(
      log,
      {
        batch_records_max: 3,
        answer: (batch) =>
          batch.map((each) =>
            each.value.toString() === POISON
              ? deadLetter('group', 'bad-event', each, 'cannot be decoded')
              : { topic: 'timeline', record: { key: 'k', value: each.value, id: null } },
          ),
      },
      (taken) => taken.length >= 10,
    );
    const dead = (await recordsIn(settings, 'dead-letters', 0)).map(
      (each) => readDeadLetter(each).from.offset,
    );
    const good = (await recordsIn(settings, 'timeline', 0)).map(({ value }) => value.toString());
    expect(dead).toEqual(positions);
    expect(good).toEqual(names.filter((name) => name !== POISON));
    await log.close();
  });
});
