import type { ConnectionOptions } from 'node:tls';
import type { KafkaConfig, SASLOptions } from 'kafkajs';
import type { Topic } from '../port.js';
import type { Framing } from './registry/framing.js';

/** How to reach the brokers, and what the topics are called. Secrets are in it: never log it. */
export interface KafkaSettings {
  brokers: readonly string[];
  client_id: string;
  /** topics, groups and transactions begin with it and a dot */
  prefix: string;
  ssl: ConnectionOptions | null;
  sasl: SASLOptions | null;
  compression: 'gzip' | 'none';
  /** the form of records in the topics; without it, our own */
  framing?: Framing;
  /** most bytes of one batch that the brokers take (max.message.bytes) */
  batch_bytes_max: number;
  /** a member of a group that was silent for this long has lost its partitions, in ms */
  session_timeout_ms: number;
}

export function topicName({ prefix }: Pick<KafkaSettings, 'prefix'>, topic: Topic): string {
  return `${prefix}.${topic}`;
}

/**
 * A group of Kafka's own for each topic: members of one group whose topics differ would be given partitions of topics
 * that they do not read, since whoever shares them out knows only its own.
 */
export function groupName({ prefix }: KafkaSettings, group: string, topic: Topic): string {
  return `${prefix}.${group}.${topic}`;
}

/** The same for whoever processes the partition for the group, so that the brokers refuse all but the latest one. */
export function transactionName(
  settings: KafkaSettings,
  group: string,
  topic: Topic,
  partition: number,
): string {
  return `${groupName(settings, group, topic)}.${partition}`;
}

export function connectionOf({ brokers, client_id, ssl, sasl }: KafkaSettings): KafkaConfig {
  return {
    brokers: [...brokers],
    clientId: client_id,
    ...(ssl === null ? {} : { ssl }),
    ...(sasl === null ? {} : { sasl }),
  };
}
