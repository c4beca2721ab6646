import kafkajs, { type ICustomPartitioner, type Kafka, type Producer } from 'kafkajs';
import type { NewRecord, Output, Topic } from '../port.js';
import { RecordTooLarge } from '../record-too-large.js';
import { explained } from './client.js';
import { clientFor } from './internals.js';
import { inBatches, PRODUCER, sendOptions, sentBytes, topicMessages } from './produce.js';
import { type KafkaSettings, topicName } from './settings.js';

/** Tries of one batch before the caller hears of it; some seconds. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 };

/** Sends records of their own accord, not as outputs of a batch: in order, one batch under way at a time. */
export class KafkaAppender {
  readonly #kafka: Kafka;
  readonly #settings: KafkaSettings;
  /** partitions of the batch under way, with their topics */
  readonly #unanswered = new Set<string>();
  #producer: Promise<Producer> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(kafka: Kafka, settings: KafkaSettings) {
    this.#kafka = kafka;
    this.#settings = settings;
  }

  append(topic: Topic, records: readonly NewRecord[]): Promise<void> {
    const sent = this.#last.then(() => this.#sendAll(topic, records));
    this.#last = sent.catch(() => {});
    return sent;
  }

  async #sendAll(topic: Topic, records: readonly NewRecord[]): Promise<void> {
    const outputs = records.map((record) => ({ topic, record }));
    const framed = (await this.#settings.framing?.outgoing(outputs)) ?? outputs;
    let sent = 0;
    for (const batch of inBatches(framed, this.#settings)) {
      await this.#sendBatch(topic, batch, sent);
      sent += batch.length;
    }
  }

  /** What is too large in one piece goes in two, down to the record that is too large alone. */
  async #sendBatch(topic: Topic, batch: readonly Output[], sent: number): Promise<void> {
    const where = `topic ${topicName(this.#settings, topic)}`;
    try {
      await this.#send(topic, batch);
    } catch (cause) {
      // what the brokers know of its sequence is uncertain now
      await this.#drop();
      const error = explained(cause, where);
      if (error.code !== 'MA_RECORD_TOO_LARGE') throw error;
      if (batch.length === 1) throw new RecordTooLarge(where, sent, sentBytes(batch[0] as Output), cause);
      const half = Math.ceil(batch.length / 2);
      await this.#sendBatch(topic, batch.slice(0, half), sent);
      await this.#sendBatch(topic, batch.slice(half), sent + half);
    }
  }

  /**
   * kafkajs tries again where a broker failed, but nothing with a broker that answered before, even if that one leads by
   * now what the failed one led: those records are lost, and nothing is said. So each partition has to be answered for.
   */
  async #send(topic: Topic, batch: readonly Output[]): Promise<void> {
    const producer = await this.#connected(topic);
    this.#unanswered.clear();
    const answers = await producer.sendBatch({
      ...sendOptions(this.#settings),
      topicMessages: topicMessages(this.#settings, batch, null),
    });
    for (const answer of answers) this.#unanswered.delete(`${answer.topicName} ${answer.partition}`);
    const [some] = this.#unanswered;
    if (some !== undefined) throw new Error(`no broker has answered for partition ${some}`);
  }

  /** Kafka's own, whose choices are noted. */
  readonly #partitioner: ICustomPartitioner = () => {
    const choose = kafkajs.Partitioners.DefaultPartitioner();
    return (message) => {
      const partition = choose(message);
      this.#unanswered.add(`${message.topic} ${partition}`);
      return partition;
    };
  };

  #connected(topic: Topic): Promise<Producer> {
    this.#producer ??= this.#connect(topic);
    return this.#producer;
  }

  async #connect(topic: Topic): Promise<Producer> {
    const kafka = clientFor(this.#kafka, topicName(this.#settings, topic));
    const producer = kafka.producer({
      ...PRODUCER,
      createPartitioner: this.#partitioner,
      idempotent: true,
      retry: RETRY,
    });
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      await producer.disconnect().catch(() => {});
      throw error;
    }
  }

  async #drop(): Promise<void> {
    const dropped = this.#producer;
    this.#producer = null;
    await dropped?.then((producer) => producer.disconnect()).catch(() => {});
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#drop();
  }
}
