import type { Readable } from 'node:stream';
import type { Configuration } from '../config/schema.js';
import type { Spool } from '../eventlog/port.js';
import type { Health } from '../telemetry/health.js';
import type { Instruments } from '../telemetry/metrics.js';
import { collect } from './collector.js';
import { readBoot } from './host/boot.js';
import { watchClock } from './host/clock-state.js';
import { hostSources } from './host-sources.js';
import { HOST_CLOCK } from './process/clock.js';
import type { Source } from './source.js';
import type { CollectorLog } from './source-port.js';
import { guestLogsSource } from './tail/guest-logs.js';
import { auditFileSource, daemonLogSource } from './tail/log-source.js';
import { standardInputSource } from './tail/standard-input.js';

export interface CollectHostOptions {
  /** as it is in effect now */
  configuration(): Configuration;
  spool: Spool;
  metrics: Instruments;
  health: Health;
  log: CollectorLog;
  /** for `collect.audit.path: -` */
  input: Readable;
  signal: AbortSignal;
}

/** Collects everything that the configuration names of the host that this runs on, until aborted. */
export async function collectHost(options: CollectHostOptions): Promise<void> {
  const { configuration, spool, metrics, health, log, signal } = options;
  const { cluster, host } = configuration();
  const settings = () => configuration().collect;
  const { sources, losses } = hostSources({ cluster, host, boot: await readBoot(), settings });
  const ended = new AbortController();
  const clockOffset = watchClock(HOST_CLOCK, AbortSignal.any([signal, ended.signal]));
  try {
    await collect({
      sources: [...logSources(options), ...sources],
      spool,
      place: { cluster, host },
      settings: {
        get heartbeat_every_s() {
          return settings().heartbeat.every_s;
        },
      },
      metrics,
      health,
      log,
      clock: nowUs,
      clockOffset: () => {
        // asked for with every heartbeat, and so a good moment to show what the kernel last said
        const lost = losses?.lostRecords() ?? null;
        if (lost !== null) metrics.kernel_lost_records.set(lost);
        return clockOffset();
      },
      signal,
    });
  } finally {
    ended.abort();
  }
}

function nowUs(): number {
  return Date.now() * 1000;
}

function logSources({ configuration, input }: CollectHostOptions): Source[] {
  const { cluster, host, collect: settings } = configuration();
  const { path, from } = settings.audit;
  const { guest_logs, daemon_log } = settings.libvirt;
  const common = { place: { cluster, host }, clock: nowUs };
  const sources = [
    path === '-'
      ? standardInputSource({ ...common, name: 'audit', input })
      : auditFileSource({ ...common, name: 'audit', path, from }),
  ];
  if (guest_logs !== null)
    sources.push(guestLogsSource({ ...common, name: 'guest-logs', directory: guest_logs, from }));
  if (daemon_log !== null)
    sources.push(daemonLogSource({ ...common, name: 'daemon-log', path: daemon_log, from }));
  return sources;
}
