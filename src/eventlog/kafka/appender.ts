import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka, Producer } from 'kafkajs';
import { BackOff } from '../../domain/back-off.js';
import type { NewRecord, Output, Topic } from '../port.js';
import { RecordTooLarge } from '../record-too-large.js';
import { explained, isPassing } from './client.js';
import { inBatches, PRODUCER, sendOptions, sentBytes, topicMessages } from './produce.js';
import { type KafkaSettings, topicName } from './settings.js';

/** Tries of one batch before the caller hears of it; some seconds. */
const TRIES = 6;
const RETRY = { first_ms: 100, most_ms: 2_000 };

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
      await this.#tryToSend(batch, where);
    } catch (cause) {
      const error = explained(cause, where);
      if (error.code !== 'MA_RECORD_TOO_LARGE') throw error;
      if (batch.length === 1) throw new RecordTooLarge(where, sent, sentBytes(batch[0] as Output), cause);
      const half = Math.ceil(batch.length / 2);
      await this.#sendBatch(topic, batch.slice(0, half), sent);
      await this.#sendBatch(topic, batch.slice(half), sent + half);
    }
  }

  /** Each time the whole batch: what was taken of it is there twice then, and nothing is missing. */
  async #tryToSend(batch: readonly Output[], where: string): Promise<void> {
    const backOff = new BackOff({ ...RETRY, seed: `${where} ${process.pid}` });
    for (let tries = 1; ; tries++)
      try {
        const producer = await this.#connected();
        await producer.sendBatch({
          ...sendOptions(this.#settings),
          topicMessages: topicMessages(this.#settings, batch, null),
        });
        return;
      } catch (cause) {
        // it waits for what is under way, so that nothing of this try comes after the next one
        await this.#drop();
        if (tries === TRIES || !isPassing(explained(cause, where))) throw cause;
        await sleep(backOff.next());
      }
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer(PRODUCER);
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
