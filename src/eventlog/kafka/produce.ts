import kafkajs, { type Message, type ProducerConfig, type TopicMessages } from 'kafkajs';
import type { Output } from '../port.js';
import { type KafkaSettings, topicName } from './settings.js';

/** What is the same for all records that are sent. */

const ALL_REPLICAS = -1;
/** kafkajs copies for each record of a partition those before it, and hands them all to a function as arguments */
const BATCH_RECORDS_MAX = 1_000;
/** what a record costs beside its key and value, at most: lengths, offsets, time; and a batch its own header */
const RECORD_OVERHEAD = 32;
const BATCH_OVERHEAD = 128;

/** By the hash of the key, as Kafka's own clients do it: a cluster has the same partition number in every topic. */
export const PRODUCER: ProducerConfig = {
  createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  allowAutoTopicCreation: false,
  // the order of what is sent again must not change
  maxInFlightRequests: 1,
};

export function sendOptions({ compression }: KafkaSettings) {
  return {
    acks: ALL_REPLICAS,
    compression: compression === 'gzip' ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None,
  };
}

/** What a record takes of a batch before compression. */
export function sentBytes({ record }: Output): number {
  return RECORD_OVERHEAD + Buffer.byteLength(record.key) + record.value.length;
}

/** In their order, in parts that the brokers take; a single record above the limit stands alone, for them to refuse. */
export function* inBatches(
  outputs: readonly Output[],
  { batch_bytes_max }: KafkaSettings,
): Generator<readonly Output[]> {
  let from = 0;
  let bytes = BATCH_OVERHEAD;
  for (const [index, output] of outputs.entries()) {
    const size = sentBytes(output);
    if (index > from && (bytes + size > batch_bytes_max || index - from >= BATCH_RECORDS_MAX)) {
      yield outputs.slice(from, index);
      from = index;
      bytes = BATCH_OVERHEAD;
    }
    bytes += size;
  }
  if (from < outputs.length) yield outputs.slice(from);
}

/** @param partition for all of them; null: by their keys */
export function topicMessages(
  settings: KafkaSettings,
  outputs: readonly Output[],
  partition: number | null,
): TopicMessages[] {
  const byTopic = new Map<string, Message[]>();
  for (const { topic, record } of outputs) {
    const name = topicName(settings, topic);
    // compaction deletes a key by a record without a value
    const value = topic === 'state' && record.value.length === 0 ? null : record.value;
    const message: Message = { key: record.key, value, ...(partition === null ? {} : { partition }) };
    const messages = byTopic.get(name);
    if (messages === undefined) byTopic.set(name, [message]);
    else messages.push(message);
  }
  return [...byTopic].map(([topic, messages]) => ({ topic, messages }));
}
