/**
 * The event log of a fleet, on Kafka.
 *
 * Invariants:
 * - A cluster's events are in one partition, the same number in every topic, by the hash of the key. What a processor
 *   makes of a partition goes to that partition of the other topics.
 * - A transaction holds whole batches: their outputs, their records of `state` and the position after them.
 * - Every input partition of a group has one transactional id. Whoever takes the partition over takes the id over, and
 *   the brokers refuse every other writer from then on; only then are position and state read.
 * - The position is the group's committed offset and nothing else. What kafkajs' consumer remembers counts for nothing.
 *
 * Layout: topics `<prefix>.<topic>`, groups `<prefix>.<group>.<topic>`, transactional ids `<prefix>.<group>.<topic>.<partition>`.
 *
 * Recovery: whatever fails on the way (a broker, a connection, a commit without an answer) ends the stay on a
 * partition; the next one begins with what is committed.
 */
import type { Admin, Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { MigrationAuditError } from '../../domain/errors.js';
import type {
  Appender,
  Lag,
  LogRecord,
  NewRecord,
  ProcessOptions,
  ProcessorLog,
  Scanner,
  Topic,
} from '../port.js';
import { KafkaAppender } from './appender.js';
import { explained, kafkaClient } from './client.js';
import { type LaneOptions, runLane } from './lane.js';
import { recordsOf } from './latest-states.js';
import { Membership } from './membership.js';
import { PartitionReader } from './partition-reader.js';
import { groupName, type KafkaSettings, topicName } from './settings.js';
import type { KillPoint } from './transactions.js';

export type KafkaEventLog = ProcessorLog & Appender & Scanner;

/** @param at called at every point where a kill must do no harm */
export function openKafkaLog(
  settings: KafkaSettings,
  logger: Logger,
  at: (point: KillPoint) => void = () => {},
): KafkaEventLog {
  return new KafkaLog(settings, logger, at);
}

class KafkaLog implements KafkaEventLog {
  readonly #kafka: Kafka;
  readonly #settings: KafkaSettings;
  readonly #logger: Logger;
  readonly #at: (point: KillPoint) => void;
  readonly #appender: KafkaAppender;
  readonly #ended = new AbortController();
  readonly #readers = new Map<string, Promise<void>>();
  #admin: Promise<Admin> | null = null;

  constructor(settings: KafkaSettings, logger: Logger, at: (point: KillPoint) => void) {
    this.#at = at;
    this.#settings = settings;
    this.#logger = logger;
    this.#kafka = kafkaClient(settings, logger);
    this.#appender = new KafkaAppender(this.#kafka, settings);
  }

  appendTo(topic: Topic, records: readonly NewRecord[]): Promise<void> {
    return this.#appender.append(topic, records);
  }

  process(options: ProcessOptions): Promise<void> {
    const name = JSON.stringify([options.group, options.topic]);
    if (this.#readers.has(name))
      return Promise.reject(
        new MigrationAuditError('MA_LOG_IN_USE', name, 'the group reads this topic already'),
      );
    const signal = AbortSignal.any([options.signal, this.#ended.signal]);
    const running = this.#process({ ...options, signal }).finally(() => this.#readers.delete(name));
    this.#readers.set(name, running);
    return running;
  }

  async #process(processing: ProcessOptions): Promise<void> {
    if (processing.signal.aborted) return;
    const lanes = new Lanes();
    const ended = new Promise<void>((resolve, reject) => {
      processing.signal.addEventListener('abort', () => resolve(), { once: true });
      lanes.onFailed = reject;
    });
    const membership = new Membership(this.#kafka, {
      group: groupName(this.#settings, processing.group, processing.topic),
      topic: topicName(this.#settings, processing.topic),
      session_timeout_ms: this.#settings.session_timeout_ms,
      owned: () => lanes.partitions,
      assigned: (partitions) =>
        lanes.keep(partitions, (partition, signal) => ({
          kafka: this.#kafka,
          settings: this.#settings,
          processing,
          partition,
          signal,
          confirmed: () => membership.confirmed(),
          logger: this.#logger,
          at: this.#at,
        })),
      failed: (error) => lanes.onFailed(error),
      logger: this.#logger,
    });
    membership.start();
    try {
      await ended;
    } finally {
      await lanes.end();
      await membership.leave();
    }
  }

  async *scan(topic: Topic): AsyncGenerator<LogRecord> {
    const name = topicName(this.#settings, topic);
    const where = `topic ${name}`;
    const admin = await this.#connected().catch((error) => {
      throw explained(error, where);
    });
    const partitions = await admin.fetchTopicOffsets(name).catch((error) => {
      throw explained(error, where);
    });
    for (const { partition, low, high } of partitions.sort((a, b) => a.partition - b.partition)) {
      const reader = new PartitionReader(this.#kafka, name, topic, partition);
      try {
        await reader.open();
        for await (const record of recordsOf(reader, Number(low), Number(high)))
          yield* (await this.#settings.framing?.incoming([record])) ?? [record];
      } catch (error) {
        throw explained(error, `${where}, partition ${partition}`);
      } finally {
        await reader.close();
      }
    }
  }

  async lag(group: string, topic: Topic): Promise<Lag> {
    const name = topicName(this.#settings, topic);
    try {
      const admin = await this.#connected();
      // in turn: from the first on it knows of the topic, and need not ask for all that there are
      const ends = await admin.fetchTopicOffsets(name);
      const groupId = groupName(this.#settings, group, topic);
      const [found] = await admin.fetchOffsets({ groupId, topics: [name] });
      const committed = new Map(
        found?.partitions.map(({ partition, offset }) => [partition, Number(offset)]),
      );
      const behind = ends.map(({ partition, low, high }) =>
        Math.max(0, Number(high) - Math.max(Number(low), committed.get(partition) ?? 0)),
      );
      return { records: behind.reduce((sum, each) => sum + each, 0), bytes: null };
    } catch (error) {
      throw explained(error, `topic ${name}`);
    }
  }

  #connected(): Promise<Admin> {
    this.#admin ??= (async () => {
      const admin = this.#kafka.admin();
      await admin.connect();
      return admin;
    })().catch((error) => {
      this.#admin = null;
      throw error;
    });
    return this.#admin;
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.allSettled(this.#readers.values());
    await this.#appender.close();
    await this.#admin?.then((admin) => admin.disconnect()).catch(() => {});
  }
}

interface Lane {
  stop: AbortController;
  done: Promise<void>;
}

/** The partitions of one process. */
class Lanes {
  onFailed: (error: unknown) => void = () => {};
  #isEnded = false;
  readonly #lanes = new Map<number, Lane>();
  /** the last stay on a partition, which has to be over before the next one */
  readonly #ending = new Map<number, Promise<void>>();

  get partitions(): number[] {
    return [...this.#lanes.keys()];
  }

  /** Ends what is not among `partitions`, begins what is new, and leaves the others alone. */
  keep(
    partitions: readonly number[],
    options: (partition: number, signal: AbortSignal) => LaneOptions,
  ): void {
    if (this.#isEnded) return;
    for (const partition of this.partitions) if (!partitions.includes(partition)) this.#stop(partition);
    for (const partition of partitions) if (!this.#lanes.has(partition)) this.#begin(partition, options);
  }

  #begin(partition: number, options: (partition: number, signal: AbortSignal) => LaneOptions): void {
    const stop = new AbortController();
    const run = async () => {
      await this.#ending.get(partition);
      await runLane(options(partition, stop.signal));
    };
    const done = run().catch((error) => this.onFailed(error));
    this.#lanes.set(partition, { stop, done });
  }

  #stop(partition: number): void {
    const { stop, done } = this.#lanes.get(partition) as Lane;
    stop.abort();
    this.#lanes.delete(partition);
    this.#ending.set(partition, done);
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    for (const partition of this.partitions) this.#stop(partition);
    await Promise.all(this.#ending.values());
  }
}
