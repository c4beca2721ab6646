import { writeSync } from 'node:fs';
import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import type { KafkaSettings } from '../../../src/eventlog/kafka/settings.js';
import { testLogger } from '../../services/test-logger.js';

/**
 * Copies events to the timeline, with where they came from and who copied them, and counts them in its state. At the
 * n-th visit of a point it sends itself a signal. What it does it says on standard output, a line each.
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
const next = new Map<number, number>();
let attempt = 0;

try {
  await log.process({
    group: 'copy',
    topic: 'events',
    signal: stop.signal,
    batch_records_max: 50,
    batch_bytes_max: 1 << 20,
    idle_ms: null,
    handler: {
      async begin(partition, state) {
        next.set(partition, 0);
        for await (const { value } of state) next.set(partition, Number(value.toString()));
        say('begin', partition, next.get(partition) as number);
      },
      async take(batch, partition) {
        const first = batch[0]?.offset as number;
        // the state and the position are of one transaction
        if ((next.get(partition) as number) > first) say('mismatch', partition, first);
        attempt++;
        const copies = batch.map(({ offset, value }) => ({
          topic: 'timeline' as const,
          record: { key: 'k', value: Buffer.from(`${offset} ${process.pid}/${attempt} ${value}`), id: null },
        }));
        const after = (batch.at(-1)?.offset as number) + 1;
        next.set(partition, after);
        const state = { key: 'next', value: Buffer.from(String(after)), id: null };
        say('took', partition, after);
        return [...copies, { topic: 'state', record: state }];
      },
      async end(partition) {
        say('end', partition);
      },
    },
  });
} catch (error) {
  say('failed', (error as Error).stack ?? String(error));
}
await log.close();
say('closed');
