import type { Kafka, Producer, Transaction } from 'kafkajs';
import type { Logger } from 'pino';
import { pause } from '../../waiting/pause.js';
import type { Output } from '../port.js';
import { whenNotBusy } from './busy.js';
import { kafkaClient } from './client.js';
import { clientFor } from './internals.js';
import { Losses } from './losses.js';
import { inBatches, PRODUCER, sendOptions, topicMessages } from './produce.js';
import { groupName, type KafkaSettings, topicName, transactionName } from './settings.js';
import { type Input, takeOver } from './take-over.js';

/** A transaction is begun when all of it is there: it takes as long as the brokers need. */
const TRANSACTION_TIMEOUT_MS = 60_000;
const ABORT_TIMEOUT_MS = 5_000;
/** after it was confirmed, a transaction has its marks by then */
const MARKS_WRITTEN_MS = 60_000;

/** Where a kill or a stop is worth a test; production passes nothing. */
export type KillPoint = 'before-transaction' | 'after-position' | 'before-commit' | 'after-commit';

export interface TransactionsClient {
  kafka: Kafka;
  settings: KafkaSettings;
  logger: Logger;
  at: (point: KillPoint) => void;
}

/** Writes the outputs of one input partition with its new position: all or nothing, and for the latest owner alone. */
export class Transactions {
  readonly #settings: KafkaSettings;
  readonly #losses = new Losses();
  /** when the last one was confirmed; null before there was one */
  #confirmed_ms: number | null = null;
  readonly #kafka: Kafka;
  readonly #input: Input;
  readonly #producer: Producer;
  readonly #at: (point: KillPoint) => void;

  constructor({ kafka, settings, logger, at }: TransactionsClient, input: Input) {
    this.#at = at;
    this.#kafka = kafka;
    this.#settings = settings;
    this.#input = input;
    const watched = kafkaClient(settings, logger, this.#losses.openSocket);
    this.#producer = clientFor(watched, topicName(settings, input.topic)).producer({
      ...PRODUCER,
      transactionalId: transactionName(settings, input.group, input.topic, input.partition),
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      /*
       * Where a batch is for partitions of several brokers and one of them fails, kafkajs sends again: nothing to a
       * broker that answered, even if it leads by now what the failed one led, and the same once more to one that has
       * not answered yet. So records are lost or doubled, and all is said to be well.
       */
      retry: { retries: 0 },
    });
  }

  /** From here on nobody else can commit for this partition, and what was left open is aborted. */
  async open(): Promise<void> {
    await takeOver(this.#kafka, this.#settings, this.#input);
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
      this.#refuseAfterLoss();
      await transaction.commit();
      this.#confirmed_ms = performance.now();
      this.#at('after-commit');
    } catch (error) {
      await abort(transaction);
      throw error;
    }
  }

  /**
   * Brokers may write the marks of a confirmed transaction later, and forget some when they are killed before (see
   * `takeOver`). Another commit would then leave outputs behind that nobody sees; so the partition is taken over anew.
   */
  #refuseAfterLoss(): void {
    if (this.#confirmed_ms === null) return;
    const after_ms = this.#losses.last_ms - this.#confirmed_ms;
    if (after_ms >= 0 && after_ms < MARKS_WRITTEN_MS)
      throw new Error('a connection was lost after the last transaction, which may not be there as a whole');
  }

  async close(): Promise<void> {
    await this.#producer.disconnect();
  }
}

/** So that readers need not wait for the time-out. The next owner does it too, should this not get through. */
async function abort(transaction: Transaction): Promise<void> {
  const ended = new AbortController();
  const late = pause(ABORT_TIMEOUT_MS, ended.signal);
  await Promise.race([transaction.abort().catch(() => {}), late]);
  ended.abort();
}
