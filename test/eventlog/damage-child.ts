import { writeSync } from 'node:fs';
import { MigrationAuditError } from '../../src/domain/errors.js';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';

/** Reads all events of a log that may be damaged: a line for each value, then `end`, or the code of the error. */
const stop = new AbortController();
try {
  const log = openLocalLog({ directory: process.argv[2] ?? '', bytes_max: 1 << 24, retain_us: 1e12 });
  let left = log.statistics().topics.events.records;
  if (left === 0) stop.abort();
  await log.process({
    group: 'reader',
    topic: 'events',
    signal: stop.signal,
    batch_records_max: 16,
    batch_bytes_max: 1 << 20,
    idle_ms: null,
    outputs: [],
    handler: {
      async begin() {},
      async take(batch) {
        for (const { value } of batch) writeSync(1, `${value.toString('latin1')}\n`);
        left -= batch.length;
        if (left === 0) stop.abort();
        return [];
      },
      async end() {},
    },
  });
  writeSync(1, 'end\n');
} catch (error) {
  writeSync(1, error instanceof MigrationAuditError ? `${error.code}\n` : `${(error as Error).stack}\n`);
}
process.exit();
