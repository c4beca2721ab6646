import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import {
  describeWithKafka,
  freshSettings,
  sharedBroker,
  testLogger,
  withTopics,
} from '../../services/kafka.js';
import { describeProcessorLog } from '../contract.js';

describeWithKafka('with a real broker', () => {
  describeProcessorLog('the log on Kafka', async () => {
    const settings = await withTopics(freshSettings(await sharedBroker()));
    const log = openKafkaLog(settings, testLogger);
    return { log, add: (records) => log.appendTo('events', records), clean: () => log.close() };
  });
});
