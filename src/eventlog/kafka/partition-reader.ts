import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { MigrationAuditError } from '../../domain/errors.js';
import type { Topic } from '../port.js';
import { readFetchResponse } from './fetch-response.js';
import { type Cluster, clusterOf, createErrorFromCode, fetchRequest } from './internals.js';
import { type ReadRecords, readRecordBatches } from './record-batch.js';

const READ_COMMITTED = 1;
const CONSUMER = -1;
/** a record above this still comes, alone */
const FETCH_BYTES_MAX = 4 * 1024 * 1024;
const RETRIES = 5;
const RETRY_MS = 100;
/** beyond the time that the broker may wait for records */
const ANSWER_TIMEOUT_MS = 30_000;

export interface Bounds {
  /** of the oldest record that was not deleted */
  first: number;
  /** after the last record there is, committed or not */
  end: number;
}

/** Reads committed records of one partition, over connections of its own. */
export class PartitionReader {
  readonly #cluster: Cluster;
  readonly #name: string;
  readonly #topic: Topic;
  readonly #partition: number;
  #isClosed = false;

  /** @param name what the topic is called in Kafka */
  constructor(kafka: Kafka, name: string, topic: Topic, partition: number) {
    this.#cluster = clusterOf(kafka);
    this.#name = name;
    this.#topic = topic;
    this.#partition = partition;
  }

  async open(): Promise<void> {
    await this.#cluster.connect();
    await this.#cluster.addTargetTopic(this.#name);
  }

  /** Where the group goes on, null when it never was here. Open transactions of a group have to be ended before. */
  async committed(group: string): Promise<number | null> {
    const topics = [{ topic: this.#name, partitions: [{ partition: this.#partition }] }];
    const coordinator = await this.#cluster.findGroupCoordinator({ groupId: group });
    const { responses } = await coordinator.offsetFetch({ groupId: group, topics });
    const offset = Number(responses[0]?.partitions[0]?.offset ?? -1);
    return offset < 0 ? null : offset;
  }

  async bounds(): Promise<Bounds> {
    const [first, end] = await Promise.all([this.#edge(true), this.#edge(false)]);
    return { first, end };
  }

  async #edge(fromBeginning: boolean): Promise<number> {
    const query = { topic: this.#name, partitions: [{ partition: this.#partition }], fromBeginning };
    const [found] = await this.#cluster.fetchTopicsOffset([query]);
    if (found === undefined) throw this.#missing();
    return Number(found.partitions[0]?.offset);
  }

  /**
   * What follows an offset; nothing after `wait_ms` without a record. Asks again where another broker may know.
   *
   * @throws MA_LOG_DAMAGED, errors of kafkajs; of type OFFSET_OUT_OF_RANGE when the offset was deleted
   */
  async fetch(from: number, wait_ms: number, bytes_max = FETCH_BYTES_MAX): Promise<ReadRecords> {
    for (let tried = 0; ; tried++) {
      try {
        return await this.#fetch(from, wait_ms, bytes_max);
      } catch (error) {
        const isRetriable = (error as { retriable?: boolean }).retriable === true;
        if (this.#isClosed || tried >= RETRIES || !isRetriable) throw error;
        const { host, port } = error as { host?: string; port?: number };
        if (host !== undefined && port !== undefined) this.#cluster.removeBroker({ host, port });
        await sleep(RETRY_MS * 2 ** tried);
        if (this.#isClosed) throw error;
        await this.#cluster.refreshMetadata();
      } finally {
        // whoever closes does not wait for a fetch, which connects where there is no connection
        if (this.#isClosed) await this.#cluster.disconnect();
      }
    }
  }

  async #fetch(from: number, wait_ms: number, bytes_max: number): Promise<ReadRecords> {
    const partitions = this.#cluster.findTopicPartitionMetadata(this.#name);
    const found = partitions.find(({ partitionId }) => partitionId === this.#partition);
    if (found === undefined) throw this.#missing();
    const broker = await this.#cluster.findBroker({ nodeId: found.leader });
    const answer = await broker.connectionPool.send({
      request: fetchRequest({
        replicaId: CONSUMER,
        maxWaitTime: wait_ms,
        minBytes: 1,
        maxBytes: bytes_max,
        isolationLevel: READ_COMMITTED,
        topics: [
          {
            topic: this.#name,
            partitions: [{ partition: this.#partition, fetchOffset: from, maxBytes: bytes_max }],
          },
        ],
      }),
      response: { decode: async (payload) => readFetchResponse(payload), parse: async (decoded) => decoded },
      requestTimeout: wait_ms + ANSWER_TIMEOUT_MS,
    });
    if (answer.error_code !== 0) throw createErrorFromCode(answer.error_code);
    const place = { topic: this.#topic, partition: this.#partition, from };
    return readRecordBatches(answer.record_batches, place, answer.aborted);
  }

  #missing(): MigrationAuditError {
    const where = `${this.#name}, partition ${this.#partition}`;
    return new MigrationAuditError('MA_KAFKA_TOPIC', where, 'there is no such partition');
  }

  /** A fetch that is under way fails or comes to its end, and leaves no connection behind. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#cluster.disconnect();
  }
}
