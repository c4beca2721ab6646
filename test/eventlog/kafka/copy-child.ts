import { writeSync } from 'node:fs';
import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import type { KafkaSettings } from '../../../src/eventlog/kafka/settings.js';
import { testLogger } from '../../services/test-logger.js';
import { copying } from './copying.js';

/**
 * A process that copies events, and at the n-th visit of a point sends itself a signal. What it does it says on
 * standard output, a line each.
 */
const [settingsText = '', signal = '', point = '', nth = ''] = process.argv.slice(2);
const settings = JSON.parse(settingsText) as KafkaSettings;
const say = (...words: (string | number)[]) => writeSync(1, `${words.join(' ')}\n`);

let visits = 0;
const log = openKafkaLog(settings, testLogger, (reached) => {
  if (reached === point && ++visits === Number(nth)) {
    say('signal', signal);
    process.kill(process.pid, signal as NodeJS.Signals);
  }
});

const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

try {
  await log.process({
    group: 'copy',
    topic: 'events',
    signal: stop.signal,
    batch_records_max: 50,
    batch_bytes_max: 1 << 20,
    idle_ms: null,
    outputs: ['timeline', 'state'],
    handler: copying(String(process.pid), say),
  });
} catch (error) {
  say('failed', (error as Error).stack ?? String(error));
}
await log.close();
say('closed');
