import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { kafkaClient } from '../../../src/eventlog/kafka/client.js';
import { PartitionReader } from '../../../src/eventlog/kafka/partition-reader.js';
import { topicName } from '../../../src/eventlog/kafka/settings.js';
import { describeWithKafka, freshSettings, sharedBroker, withTopics } from '../../services/kafka.js';
import { testLogger } from '../../services/test-logger.js';

const CLOSED = 20;
/** the longest wait before a fetch is tried again, and the wait of that fetch */
const SETTLED_MS = 2_000;
const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

describeWithKafka('a reader that is closed while it fetches', () => {
  it('leaves no connection behind, which would keep an ended process alive', async () => {
    const settings = await withTopics(freshSettings(await sharedBroker()));
    const kafka = kafkaClient(settings, testLogger);
    const before = sockets();
    const fetches: Promise<unknown>[] = [];
    for (let closed = 0; closed < CLOSED; closed++) {
      const reader = new PartitionReader(kafka, topicName(settings, 'events'), 'events', 0);
      await reader.open();
      fetches.push(reader.fetch(0, 500).catch(() => {}));
      await sleep(closed);
      await reader.close();
    }
    await sleep(SETTLED_MS);
    await Promise.all(fetches);
    expect(sockets()).toBeLessThanOrEqual(before);
  });
});
