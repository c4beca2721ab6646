import type { Kafka, Producer } from 'kafkajs';
import type { NewRecord, Topic } from '../port.js';
import { explained } from './client.js';
import { inBatches, PRODUCER, sendOptions, topicMessages } from './produce.js';
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
    for (const batch of inBatches(outputs, this.#settings))
      try {
        const producer = await this.#connected();
        await producer.sendBatch({
          ...sendOptions(this.#settings),
          topicMessages: topicMessages(this.#settings, batch, null),
        });
      } catch (error) {
        // what the brokers know of its sequence is uncertain now
        await this.#drop();
        throw explained(error, `topic ${topicName(this.#settings, topic)}`);
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
