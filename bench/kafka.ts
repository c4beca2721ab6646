import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { pino } from 'pino';
import { type KafkaEventLog, openKafkaLog } from '../src/eventlog/kafka/kafka-log.js';
import { type KafkaSettings, topicName } from '../src/eventlog/kafka/settings.js';
import { createTopics } from '../src/eventlog/kafka/topics.js';
import type { NewRecord, Output } from '../src/eventlog/port.js';
import { KafkaBroker } from '../test/services/kafka-broker.js';

/**
 * Events a second through the log on Kafka, with a real broker on the same machine: appended, beside a bare producer
 * that sends the same batches; and processed in transactions with an output and a state for every hundredth event,
 * beside a bare consumer that does nothing with them.
 * Usage: node --import tsx bench/kafka.ts [partitions …]
 */
const PARTITIONS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1, 12];
const EVENTS = 400_000;
const EVENT_BYTES = 300;
const APPENDED_TOGETHER = 2_000;
const TAKEN_TOGETHER = 5_000;
const RUNS = 5;
const OUTPUT_EVERY = 100;
const value = Buffer.alloc(EVENT_BYTES, 'e');

const silent = pino({ level: 'silent' });
const broker = await KafkaBroker.start({ heap_mib: 1024 });
try {
  for (const partitions of PARTITIONS) await measure(partitions);
} finally {
  await broker.destroy();
}

async function measure(partitions: number): Promise<void> {
  const settings: KafkaSettings = {
    brokers: [broker.address],
    client_id: 'bench',
    prefix: `bench-${partitions}`,
    ssl: null,
    sasl: null,
    compression: 'none',
    batch_bytes_max: 1_000_000,
    session_timeout_ms: 30_000,
  };
  await createTopics(settings, { partitions, replication: 1, retention_h: 1 }, silent);
  const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING });
  const log = openKafkaLog(settings, silent);
  console.log(
    `\n${EVENTS} events of ${EVENT_BYTES} bytes, ${partitions} partitions, events/s in ${RUNS} runs`,
  );
  const appended = await alternately(
    () => sendBare(kafka, topicName(settings, 'findings'), partitions),
    () => append(log, partitions),
  );
  print('append', appended, 'a bare kafkajs producer');
  const read = await alternately(
    (run) => consumeBare(kafka, topicName(settings, 'events'), `bare-${run}`),
    (run) => process_(log, `group-${run}`, partitions),
  );
  print('process', read, 'a bare kafkajs consumer');
  await log.close();
}

interface Rates {
  bare: number[];
  own: number[];
}

/** One after the other in turn, so that a machine that is busy for a while slows down both. */
async function alternately(
  bare: (run: number) => Promise<number>,
  own: (run: number) => Promise<number>,
): Promise<Rates> {
  const rates: Rates = { bare: [], own: [] };
  for (let run = 0; run < RUNS; run++) {
    rates.bare.push(EVENTS / (await bare(run)));
    rates.own.push(EVENTS / (await own(run)));
  }
  return rates;
}

function* batches(partitions: number): Generator<NewRecord[]> {
  for (let from = 0; from < EVENTS; from += APPENDED_TOGETHER)
    yield Array.from({ length: APPENDED_TOGETHER }, (_, n) => ({
      key: `cluster-${(from + n) % (4 * partitions)}`,
      value,
      id: null,
    }));
}

async function append(log: KafkaEventLog, partitions: number): Promise<number> {
  return secondsOf(async () => {
    for (const records of batches(partitions)) await log.appendTo('events', records);
  });
}

async function sendBare(kafka: Kafka, topic: string, partitions: number): Promise<number> {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const seconds = await secondsOf(async () => {
    for (const records of batches(partitions))
      await producer.send({ topic, messages: records.map(({ key }) => ({ key, value })) });
  });
  await producer.disconnect();
  return seconds;
}

/** From the first batch on: what joining a group costs is the same for both. */
async function consumeBare(kafka: Kafka, topic: string, groupId: string): Promise<number> {
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const counted = countdown();
  await consumer.run({
    partitionsConsumedConcurrently: 12,
    eachBatch: async ({ batch }) => counted.take(batch.messages.length),
  });
  const seconds = await counted.done;
  await consumer.disconnect();
  return seconds;
}

/** From when all partitions are taken over on: the first batch waits for that. */
async function process_(log: KafkaEventLog, group: string, partitions: number): Promise<number> {
  let left = partitions;
  let begin: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const stop = new AbortController();
  const counted = countdown();
  const running = log.process({
    group,
    topic: 'events',
    signal: stop.signal,
    batch_records_max: TAKEN_TOGETHER,
    batch_bytes_max: 1 << 24,
    idle_ms: null,
    outputs: ['timeline', 'state'],
    handler: {
      async begin() {
        if (--left === 0) begin();
      },
      async take(batch) {
        await begun;
        counted.take(batch.length);
        return batch
          .filter(({ offset }) => offset % OUTPUT_EVERY === 0)
          .flatMap(({ key, value }): Output[] => [
            { topic: 'timeline', record: { key, value, id: null } },
            { topic: 'state', record: { key, value, id: null } },
          ]);
      },
      async end() {},
    },
  });
  await counted.done;
  stop.abort();
  const began = performance.now();
  await running;
  // the last transactions are part of it
  return (await counted.done) + (performance.now() - began) / 1000;
}

function countdown(): { take: (count: number) => void; done: Promise<number> } {
  let began: number | null = null;
  let left = EVENTS;
  let finish: (seconds: number) => void = () => {};
  const done = new Promise<number>((resolve) => {
    finish = resolve;
  });
  const take = (count: number) => {
    began ??= performance.now();
    left -= count;
    if (left <= 0) finish((performance.now() - began) / 1000);
  };
  return { take, done };
}

async function secondsOf(run: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await run();
  return (performance.now() - began) / 1000;
}

function median(rates: readonly number[]): number {
  return [...rates].sort((a, b) => a - b)[Math.floor(rates.length / 2)] as number;
}

function print(name: string, { bare, own }: Rates, peer: string): void {
  const text = (rates: number[]) => rates.map((rate) => `${(rate / 1000).toFixed(0)} k`).join(', ');
  const share = (100 * median(own)) / median(bare);
  console.log(`  ${name}: ${text(own)}; ${peer}: ${text(bare)}; ${share.toFixed(0)} % of it, median of each`);
}
