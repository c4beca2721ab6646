import type { ConsumerConfig, Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { BackOff } from '../../domain/back-off.js';
import type { MigrationAuditError } from '../../domain/errors.js';
import { pause } from '../../waiting/pause.js';
import { stickyAssigner } from './assigner.js';
import { explained, isPassing } from './client.js';

const REJOIN = { first_ms: 250, most_ms: 15_000 };
/** how often the consumer looks whether a heartbeat is due */
const LOOK_MS_MAX = 500;
const RETRY = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5, restartOnFailure: async () => false };

export interface MembershipOptions {
  /** what group and topic are called in Kafka */
  group: string;
  topic: string;
  session_timeout_ms: number;
  /** told at every change all partitions that are now this member's */
  assigned: (partitions: readonly number[]) => void;
  owned: () => readonly number[];
  /** what no waiting mends */
  failed: (error: MigrationAuditError) => void;
  logger: Logger;
}

/**
 * Belongs to a consumer group, and learns which partitions are its own. Reading and committing are done elsewhere:
 * kafkajs' consumer would hold back heartbeats and all partitions for the slowest handler, go on with partitions that
 * it lost, and forget what was resolved when the group changes. Here it fetches nothing.
 */
export class Membership {
  readonly #kafka: Kafka;
  readonly #options: MembershipOptions;
  readonly #ended = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #confirmed: (() => void)[] = [];

  constructor(kafka: Kafka, options: MembershipOptions) {
    this.#kafka = kafka;
    this.#options = options;
  }

  /** Joins, and joins again when it drops out, until left. */
  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the group says, after this call, that this is still a member; or when it is left. */
  confirmed(): Promise<void> {
    if (this.#ended.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#confirmed.push(resolve));
  }

  async leave(): Promise<void> {
    this.#ended.abort();
    this.#confirm();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, group } = this.#options;
    const backOff = new BackOff({ ...REJOIN, seed: `${group} ${process.pid}` });
    while (!this.#ended.signal.aborted) {
      const joined = performance.now();
      const error = await this.#belong();
      if (error === null) return;
      if (!isPassing(error)) return this.#options.failed(error);
      if (performance.now() - joined > REJOIN.most_ms) backOff.reset();
      const wait_ms = backOff.next();
      logger.warn({ group, err: error }, `the group is left; joining again in ${wait_ms} ms`);
      await pause(wait_ms, this.#ended.signal);
    }
  }

  /** Null when it was left on purpose. */
  async #belong(): Promise<MigrationAuditError | null> {
    const { group, topic, assigned, owned, session_timeout_ms, logger } = this.#options;
    const consumer = this.#kafka.consumer({
      groupId: group,
      partitionAssigners: [stickyAssigner(owned)],
      sessionTimeout: session_timeout_ms,
      heartbeatInterval: Math.floor(session_timeout_ms / 10),
      maxWaitTimeInMs: Math.min(LOOK_MS_MAX, Math.floor(session_timeout_ms / 10)),
      allowAutoTopicCreation: false,
      retry: RETRY,
    } satisfies ConsumerConfig);
    const crashed = new Promise<unknown>((resolve) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => resolve(payload.error));
    });
    // nothing may be left behind on the signal, however often this happens
    const settled = new AbortController();
    const left = new Promise<null>((resolve) => {
      if (this.#ended.signal.aborted) resolve(null);
      this.#ended.signal.addEventListener('abort', () => resolve(null), { signal: settled.signal });
    });
    consumer.on(consumer.events.HEARTBEAT, () => this.#confirm());
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      consumer.pause([{ topic }]);
      const partitions = payload.memberAssignment[topic] ?? [];
      logger.info({ group, partitions }, `${partitions.length} partitions of the group are this process's`);
      assigned(partitions);
      this.#confirm();
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatch: async () => {} });
      const error = await Promise.race([crashed, left]);
      return error === null ? null : explained(error, group);
    } catch (error) {
      return explained(error, group);
    } finally {
      settled.abort();
      await consumer.disconnect().catch(() => {});
    }
  }

  #confirm(): void {
    const waiting = this.#confirmed;
    this.#confirmed = [];
    for (const resolve of waiting) resolve();
  }
}
