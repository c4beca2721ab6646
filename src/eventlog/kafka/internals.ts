import { createRequire } from 'node:module';
import type { ISocketFactory, Kafka } from 'kafkajs';

/**
 * What this program uses of kafkajs beyond its documented interface; its version is pinned for that. All of it stands
 * in this file: requests to one broker, which the documented consumer hides behind its own loop, and guards of a
 * timer and of the borders of answers.
 */

const require = createRequire(import.meta.url);

export interface ProtocolRequest<T> {
  request: unknown;
  response: { decode(payload: Buffer): Promise<T>; parse(decoded: T): Promise<T> };
  requestTimeout?: number;
}

interface GroupOffsets {
  responses: { topic: string; partitions: { partition: number; offset: string }[] }[];
}

interface ProducerIdentity {
  producerId: string;
  producerEpoch: number;
}

export interface Broker {
  connectionPool: { send<T>(request: ProtocolRequest<T>): Promise<T> };
  initProducerId(query: { transactionalId: string; transactionTimeout: number }): Promise<ProducerIdentity>;
  addOffsetsToTxn(query: ProducerIdentity & { transactionalId: string; groupId: string }): Promise<unknown>;
  addPartitionsToTxn(
    query: ProducerIdentity & {
      transactionalId: string;
      topics: { topic: string; partitions: number[] }[];
    },
  ): Promise<unknown>;
  endTxn(query: ProducerIdentity & { transactionalId: string; transactionResult: boolean }): Promise<unknown>;
  offsetFetch(query: {
    groupId: string;
    topics: { topic: string; partitions: { partition: number }[] }[];
  }): Promise<GroupOffsets>;
}

/** The connections of one client and what it knows about the brokers. */
export interface Cluster {
  /** what it asks brokers about; nothing: all topics they have */
  targetTopics: Set<string>;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[];
  findBroker(node: { nodeId: number }): Promise<Broker>;
  /** @param query.coordinatorType of a group where it is missing */
  findGroupCoordinator(query: { groupId: string; coordinatorType?: number }): Promise<Broker>;
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
  removeBroker(address: { host: string; port: number }): void;
}

const READ_UNCOMMITTED = 0;
const METADATA_AGE_MS_MAX = 300_000;
const CREATE_CLUSTER = 'private:Kafka:createCluster';

/** A client of its own, with connections of its own. Offsets that it tells include those not committed yet. */
export function clusterOf(kafka: Kafka): Cluster {
  return creatorOf(kafka).create({
    metadataMaxAge: METADATA_AGE_MS_MAX,
    allowAutoTopicCreation: false,
    isolationLevel: READ_UNCOMMITTED,
  });
}

/**
 * The same client, which knows of a topic. One that knows of none asks for all topics that the brokers have,
 * and fails for as long as any partition of any of them has no leader, whoever that topic belongs to.
 */
export function clientFor(kafka: Kafka, topic: string): Kafka {
  const { symbol, create } = creatorOf(kafka);
  const createFor = (options: unknown) => {
    const cluster = create(options);
    cluster.targetTopics.add(topic);
    return cluster;
  };
  return Object.create(kafka, { [symbol]: { value: createFor } }) as Kafka;
}

function creatorOf(kafka: Kafka): { symbol: symbol; create: (options: unknown) => Cluster } {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === CREATE_CLUSTER,
  ) as symbol;
  const create = (kafka as unknown as Record<symbol, (options: unknown) => Cluster>)[symbol];
  if (create === undefined) throw new Error('kafkajs is not of the version that this program is made for');
  return { symbol, create };
}

interface FetchQuery {
  replicaId: number;
  maxWaitTime: number;
  minBytes: number;
  maxBytes: number;
  isolationLevel: number;
  topics: { topic: string; partitions: { partition: number; fetchOffset: number; maxBytes: number }[] }[];
}

/** Fetch, version 11: every broker since 2.3 answers it. */
export const fetchRequest = require('kafkajs/src/protocol/requests/fetch/v11/request') as (
  query: FetchQuery,
) => unknown;

/** Opens a connection as kafkajs does it of its own accord. */
export const openSocket = (require('kafkajs/src/network/socketFactory') as () => ISocketFactory)();

/** The error that a code of the protocol means. */
export const { createErrorFromCode } = require('kafkajs/src/protocol/error') as {
  createErrorFromCode(code: number): Error;
};

interface RequestQueue {
  pending: unknown[];
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  scheduleCheckPendingRequests(): void;
}

/**
 * kafkajs looks every millisecond whether a request waits, on every connection and for as long as it is open: some
 * 4 % of a core for doing nothing. Requests wait only while others are under way or a broker asked for a pause; so the
 * timer is needed only when there is one.
 */
function guardIdleTimer(queue: RequestQueue): void {
  const schedule = queue.scheduleCheckPendingRequests;
  queue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
}

guardIdleTimer((require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }).prototype);

interface Connection {
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<unknown>;
}

const LENGTH_BYTES = 4;

/**
 * kafkajs keeps the part of an answer that had come when a connection broke, and takes what comes after it has connected
 * again for the rest: from then on no answer is ever recognised.
 */
function guardFraming(connection: Connection): void {
  const connect = connection.connect;
  connection.connect = function (this: Connection) {
    if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: LENGTH_BYTES });
    return connect.call(this);
  };
}

guardFraming((require('kafkajs/src/network/connection') as { prototype: Connection }).prototype);
