import type { Kafka, Producer } from 'kafkajs';
import type { NewRecord, Output, Topic } from '../port.js';
import { RecordTooLarge } from '../record-too-large.js';
import { explained } from './client.js';
import { inBatches, PRODUCER, sendOptions, sentBytes, topicMessages } from './produce.js';
import { type KafkaSettings, topicName } from './settings.js';

/** Tries of one batch before the caller hears of it; some seconds. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 5 };

/** Sends records of their own accord, not as outputs of a batch: in order, one batch under way at a time. */
export class KafkaAppender {
  readonly #kafka: Kafka;
  readonly #settings: KafkaSettings;
  #producer: Promise<Producer> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(kafka: Kafka, settings: KafkaSettings) {
    this.#kafka = kafka;
    this.#settings = settings;
  }

  append(topic: Topic, records: readonly NewRecord[]): Promise<void> {
    const sent = this.#last.then(() => this.#send(topic, records));
    this.#last = sent.catch(() => {});
    return sent;
  }

  async #send(topic: Topic, records: readonly NewRecord[]): Promise<void> {
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
      const producer = await this.#connected();
      await producer.sendBatch({
        ...sendOptions(this.#settings),
        topicMessages: topicMessages(this.#settings, batch, null),
      });
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

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({ ...PRODUCER, idempotent: true, retry: RETRY });
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
