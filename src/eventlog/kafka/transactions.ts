import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka, Producer, Transaction } from 'kafkajs';
import { pause } from '../../waiting/pause.js';
import type { Output, Topic } from '../port.js';
import { inBatches, PRODUCER, sendOptions, topicMessages } from './produce.js';
import { groupName, type KafkaSettings, topicName, transactionName } from './settings.js';

/** A transaction is begun when all of it is there: it takes as long as the brokers need. */
const TRANSACTION_TIMEOUT_MS = 60_000;
const ABORT_TIMEOUT_MS = 5_000;
/** until the brokers have finished what they confirmed of the last transaction */
const BUSY_RETRIES = 200;
const BUSY_MS_MAX = 50;

/** Where a kill or a stop is worth a test; production passes nothing. */
export type KillPoint = 'before-transaction' | 'after-position' | 'before-commit' | 'after-commit';

/** Writes the outputs of one input partition with its new position: all or nothing, and for the latest owner alone. */
export class Transactions {
  readonly #settings: KafkaSettings;
  readonly #input: { group: string; topic: Topic; partition: number };
  readonly #producer: Producer;
  readonly #at: (point: KillPoint) => void;

  constructor(
    kafka: Kafka,
    settings: KafkaSettings,
    input: { group: string; topic: Topic; partition: number },
    at: (point: KillPoint) => void,
  ) {
    this.#at = at;
    this.#settings = settings;
    this.#input = input;
    this.#producer = kafka.producer({
      ...PRODUCER,
      transactionalId: transactionName(settings, input.group, input.topic, input.partition),
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
    });
  }

  /** From here on nobody else can commit for this partition, and what was left open is aborted. */
  async open(): Promise<void> {
    await this.#producer.connect();
    const none = await this.#producer.transaction();
    await none.abort();
  }

  /** @param next the offset that the group goes on with */
  async commit(outputs: readonly Output[], next: number): Promise<void> {
    const { group, topic, partition } = this.#input;
    // before the transaction begins: it may wait for a registry
    const framed = (await this.#settings.framing?.outgoing(outputs)) ?? outputs;
    this.#at('before-transaction');
    const transaction = await this.#producer.transaction();
    try {
      await whenNotBusy(() =>
        transaction.sendOffsets({
          consumerGroupId: groupName(this.#settings, group, topic),
          topics: [
            {
              topic: topicName(this.#settings, topic),
              partitions: [{ partition, offset: String(next) }],
            },
          ],
        }),
      );
      this.#at('after-position');
      for (const batch of inBatches(framed, this.#settings))
        await transaction.sendBatch({
          ...sendOptions(this.#settings),
          topicMessages: topicMessages(this.#settings, batch, partition),
        });
      this.#at('before-commit');
      await transaction.commit();
      this.#at('after-commit');
    } catch (error) {
      await abort(transaction);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
  }
}

/**
 * A broker confirms a transaction before all its marks are written, and refuses the next one for as long; some
 * milliseconds, which kafkajs would not wait for here, and would wait far too long elsewhere.
 */
async function whenNotBusy(run: () => Promise<void>): Promise<void> {
  for (let tried = 0; ; tried++) {
    try {
      return await run();
    } catch (error) {
      if ((error as { type?: string }).type !== 'CONCURRENT_TRANSACTIONS' || tried >= BUSY_RETRIES)
        throw error;
      await sleep(Math.min(1 + tried, BUSY_MS_MAX));
    }
  }
}

/** So that readers need not wait for the time-out. The next owner does it too, should this not get through. */
async function abort(transaction: Transaction): Promise<void> {
  const ended = new AbortController();
  const late = pause(ABORT_TIMEOUT_MS, ended.signal);
  await Promise.race([transaction.abort().catch(() => {}), late]);
  ended.abort();
}
