import { writeSync } from 'node:fs';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import type { LogRecord } from '../../src/eventlog/port.js';

/** Appends numbers and copies them to the timeline, until it kills itself at the n-th visit of a point. */
const [directory = '', killAt, nth] = process.argv.slice(2);
let visits = 0;
const log = openLocalLog({
  directory,
  bytes_max: 1 << 24,
  retain_us: 1e12,
  at: (point) => {
    if (point === killAt && ++visits === Number(nth)) process.kill(process.pid, 'SIGKILL');
  },
});

let copied = 0;
const copying = log.process({
  group: 'copy',
  topic: 'events',
  signal: new AbortController().signal,
  batch_records_max: 4,
  batch_bytes_max: 1 << 20,
  idle_ms: null,
  outputs: ['timeline', 'state'],
  handler: {
    async begin(_partition, state) {
      for await (const { value } of state) copied = Number(value.toString());
    },
    async take(batch: readonly LogRecord[]) {
      copied += batch.length;
      const copies = batch.map(({ value }) => ({
        topic: 'timeline' as const,
        record: { key: 'k', value, id: null },
      }));
      const count = { key: 'copied', value: Buffer.from(String(copied)), id: null };
      return [...copies, { topic: 'state', record: count }];
    },
    async end() {},
  },
});
copying.catch((error) => {
  throw error;
});

for (let next = Number(log.checkpoint('source')?.toString() ?? 0); ; next += 3) {
  const records = [next, next + 1, next + 2].map((n) => ({
    key: 'k',
    value: Buffer.from(String(n)),
    id: null,
  }));
  const checkpoints = new Map([['source', Buffer.from(String(next + 3))]]);
  const { offsets_to } = await log.append({ records, checkpoints });
  writeSync(1, `${offsets_to}\n`);
}
