import { join } from 'node:path';
import { collect } from '../../src/collect/collector.js';
import { guestLogsSource } from '../../src/collect/tail/guest-logs.js';
import { auditFileSource, daemonLogSource } from '../../src/collect/tail/log-source.js';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import { Health } from '../../src/telemetry/health.js';
import { createMetrics } from '../../src/telemetry/metrics.js';

/** Collects from the logs of a directory until it kills itself at the n-th visit of a point of the event log. */
const [directory = '', killAt, nth] = process.argv.slice(2);
let visits = 0;
const spool = openLocalLog({
  directory: join(directory, 'spool'),
  bytes_max: 1 << 28,
  retain_us: 1e15,
  at: (point) => {
    if (point === killAt && ++visits === Number(nth)) process.kill(process.pid, 'SIGKILL');
  },
});

const place = { cluster: 'lab', host: 'hosta' };
const clock = () => Date.now() * 1000;
const pace = { poll_ms_min: 1, poll_ms_max: 5, watched_ms_max: 5 };
const common = { from: 'oldest' as const, place, clock, pace };

await collect({
  sources: [
    auditFileSource({ ...common, name: 'audit', path: join(directory, 'audit.log') }),
    daemonLogSource({ ...common, name: 'daemon-log', path: join(directory, 'libvirtd.log') }),
    guestLogsSource({ ...common, name: 'guest-logs', directory: join(directory, 'qemu') }),
  ],
  spool,
  place,
  settings: { heartbeat_every_s: 1 },
  metrics: createMetrics({ version: 'test', parts: [] }).of,
  health: new Health(Date.now),
  log: { info: () => {}, warn: () => {}, error: (fields, message) => console.error(message, fields) },
  clock,
  signal: new AbortController().signal,
  limits: { linger_ms: 1 },
});
