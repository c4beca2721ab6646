import { writeSync } from 'node:fs';
import { setInterval } from 'node:timers';
import { collect } from '../../../src/collect/collector.js';
import { readBoot } from '../../../src/collect/host/boot.js';
import { hostSources } from '../../../src/collect/host-sources.js';
import { auditFileSource } from '../../../src/collect/tail/log-source.js';
import { SCHEMA } from '../../../src/config/schema.js';
import { openLocalLog } from '../../../src/eventlog/local/local-log.js';
import { Health } from '../../../src/telemetry/health.js';
import { createMetrics } from '../../../src/telemetry/metrics.js';

/**
 * A collector of this host, as `collect` runs it, until SIGTERM: collector-child.ts SPOOL. Ten times a second it prints
 * a line: `ready` or why not, and the watermarks of its sources.
 */
const [directory = ''] = process.argv.slice(2);
const configuration = SCHEMA.parse({
  cluster: 'lab',
  host: 'hosta',
  collect: { audit: { from: 'oldest' }, kernel_losses: { every_s: 1 }, heartbeat: { every_s: 1 } },
});
const place = { cluster: configuration.cluster, host: configuration.host };
const clock = () => Date.now() * 1000;
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

const { path, from } = configuration.collect.audit;
const boot = await readBoot();
const { sources } = hostSources({ ...place, boot, settings: () => configuration.collect });
sources.push(auditFileSource({ name: 'audit', path, from, place, clock }));

const health = new Health(Date.now);
const spool = openLocalLog({ directory, bytes_max: 1 << 30, retain_us: 1e15 });
const say = (fields: object, message: string) => console.error(message, JSON.stringify(fields));
const telling = setInterval(() => {
  const notReady = health.conditions.flatMap(({ name, reason }) =>
    reason === null ? [] : [`${name}: ${reason}`],
  );
  const watermarks = Object.fromEntries(sources.map((source) => [source.name, source.watermark_us()]));
  writeSync(1, `${JSON.stringify({ notReady, watermarks })}\n`);
}, 100);
try {
  await collect({
    sources,
    spool,
    place,
    settings: { heartbeat_every_s: configuration.collect.heartbeat.every_s },
    metrics: createMetrics({ version: 'test', parts: ['collect', 'event log'] }).of,
    health,
    log: { info: say, warn: say, error: say },
    clock,
    signal: stop.signal,
  });
} finally {
  clearInterval(telling);
  await spool.close();
}
