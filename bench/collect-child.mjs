// A collector of one audit log out of the built program, measured from inside.
// Usage: node bench/collect-child.mjs DIRECTORY (to the end of DIRECTORY/audit.log | until SIGTERM)
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { collect } from '../dist/collect/collector.js';
import { auditFileSource } from '../dist/collect/tail/log-source.js';
import { openLocalLog } from '../dist/eventlog/local/local-log.js';
import { Health } from '../dist/telemetry/health.js';
import { createMetrics } from '../dist/telemetry/metrics.js';

const WARM_UP_MS = 3000;
const [directory, mode] = process.argv.slice(2);
const path = join(directory, 'audit.log');
const place = { cluster: 'bench', host: 'hosta' };
const clock = () => Date.now() * 1000;
const log = openLocalLog({ directory: join(directory, 'spool'), bytes_max: 64 * 1024 ** 3, retain_us: 1e15 });

const latencies_ms = [];
let events = 0;
let appends = 0;
let isWarm = mode === 'drain';
const stop = new AbortController();
const spool = {
  checkpoint: (source) => log.checkpoint(source),
  async append(batch) {
    const result = await log.append(batch);
    if (!isWarm) return result;
    const now_ms = Date.now();
    appends++;
    events += batch.records.length;
    // the stamp of an event is when its lines were written
    if (mode !== 'drain')
      for (const { id } of batch.records) {
        const stamp = /\/audit\/(\d+):/.exec(id);
        if (stamp !== null) latencies_ms.push(now_ms - Number(stamp[1]));
      }
    else if (JSON.parse(String(log.checkpoint('audit')))?.position.at?.read_to === statSync(path).size)
      stop.abort();
    return result;
  },
};

let from = { cpu: process.cpuUsage(), at: process.hrtime.bigint() };
let rss_bytes_max = 0;
const sampling = setInterval(() => {
  rss_bytes_max = Math.max(rss_bytes_max, process.memoryUsage.rss());
}, 500);
if (mode !== 'drain')
  setTimeout(() => {
    isWarm = true;
    from = { cpu: process.cpuUsage(), at: process.hrtime.bigint() };
  }, WARM_UP_MS);
process.on('SIGTERM', () => stop.abort());

await collect({
  sources: [auditFileSource({ name: 'audit', path, from: 'beginning', place, clock })],
  spool,
  place,
  settings: { heartbeat_every_s: 10 },
  metrics: createMetrics({ version: 'bench', parts: ['collect', 'event log'] }).of,
  health: new Health(Date.now),
  log: { info() {}, warn: console.error, error: console.error },
  clock,
  signal: stop.signal,
});
const { user, system } = process.cpuUsage(from.cpu);
const seconds = Number(process.hrtime.bigint() - from.at) / 1e9;
clearInterval(sampling);
latencies_ms.sort((a, b) => a - b);
const at = (share) =>
  latencies_ms[Math.min(latencies_ms.length - 1, Math.floor(latencies_ms.length * share))] ?? null;
const result = {
  events,
  appends,
  seconds,
  cpu_s: (user + system) / 1e6,
  rss_bytes_max: Math.max(rss_bytes_max, process.memoryUsage.rss()),
  p50_ms: at(0.5),
  p99_ms: at(0.99),
  p100_ms: latencies_ms.at(-1) ?? null,
};
await log.close();
console.log(JSON.stringify(result));
