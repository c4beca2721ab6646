import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import { describeWithKafka, freshSettings, sharedBroker, withTopics } from '../../services/kafka.js';
import { testLogger } from '../../services/test-logger.js';
import { describeProcessorLog } from '../contract.js';

describeWithKafka('with a real broker', () => {
  describeProcessorLog('the log on Kafka', async () => {
    const settings = await withTopics(freshSettings(await sharedBroker()));
    const log = openKafkaLog(settings, testLogger);
    return { log, add: (records) => log.appendTo('events', records), clean: () => log.close() };
  });
});
