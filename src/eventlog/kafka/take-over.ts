import type { Kafka } from 'kafkajs';
import type { Topic } from '../port.js';
import { whenNotBusy } from './busy.js';
import { clusterOf } from './internals.js';
import { groupName, type KafkaSettings, topicName, transactionName } from './settings.js';

const TRANSACTION = 1;
const TIMEOUT_MS = 60_000;

/** A partition that a group reads, and where its outputs go. */
export interface Input {
  group: string;
  topic: Topic;
  partition: number;
  outputs: readonly Topic[];
}

/**
 * From here on nobody else can commit for this partition, and whatever was begun and did not end is aborted, everywhere.
 *
 * InitProducerId alone aborts what the coordinator knows to be open. Brokers forget more than that: while a partition has
 * no leader, as when its only broker comes back, Kafka 4.4 takes it for deleted, does not write the mark that ends a
 * transaction there, and counts the transaction as ended. Its records then hold up everybody who reads the
 * partition, for good. So an empty transaction over all partitions that this one could have written is aborted: its
 * marks end what is open there.
 *
 * That is an abort of a transaction that the coordinator may have counted as committed. Nobody saw anything of it: its
 * position, its state and its outputs are all behind such missing marks, and are made once more.
 */
export async function takeOver(kafka: Kafka, settings: KafkaSettings, input: Input): Promise<void> {
  const transactionalId = transactionName(settings, input.group, input.topic, input.partition);
  const cluster = clusterOf(kafka);
  try {
    await cluster.connect();
    await cluster.addTargetTopic(topicName(settings, input.topic));
    const coordinator = await cluster.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: TRANSACTION,
    });
    const identify = () =>
      whenNotBusy(() => coordinator.initProducerId({ transactionalId, transactionTimeout: TIMEOUT_MS }));
    const { producerId, producerEpoch } = await identify();
    const own = { transactionalId, producerId, producerEpoch };
    await whenNotBusy(() =>
      coordinator.addOffsetsToTxn({ ...own, groupId: groupName(settings, input.group, input.topic) }),
    );
    const topics = input.outputs.map((topic) => ({
      topic: topicName(settings, topic),
      partitions: [input.partition],
    }));
    if (topics.length > 0) await coordinator.addPartitionsToTxn({ ...own, topics });
    await coordinator.endTxn({ ...own, transactionResult: false });
    // answered when the marks are written
    await identify();
  } finally {
    await cluster.disconnect();
  }
}
