import { pino } from 'pino';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import { correlateRole } from '../../src/stream/correlate-role.js';
import { Health } from '../../src/telemetry/health.js';
import { createMetrics } from '../../src/telemetry/metrics.js';

/** Correlates what is in a log to its end, or until it kills itself at the n-th visit of a point. */
const [directory = '', batch = '', killAt, nth] = process.argv.slice(2);
const stop = new AbortController();
let visits = 0;
const log = openLocalLog({
  directory,
  bytes_max: 1 << 28,
  retain_us: 1e15,
  at: (point) => {
    if (point === killAt && ++visits === Number(nth)) process.kill(process.pid, 'SIGKILL');
    if (point === 'after-acknowledge' && log.lag('correlate', 'events').records === 0) stop.abort();
  },
});
await correlateRole({
  log,
  options: {
    correlator: {},
    batch_events_max: Number(batch),
    keep_settled_us: 1e15,
    state_bytes_max: 2 ** 40,
  },
  metrics: createMetrics({ version: 'test', parts: ['correlate'] }),
  health: new Health(Date.now),
  logger: pino({ level: 'silent' }),
  signal: stop.signal,
});
await log.close();
