import { collectHost } from '../collect/collect-host.js';
import { BackOff } from '../domain/back-off.js';
import { MigrationAuditError } from '../domain/errors.js';
import { FORWARD_GROUP, forward } from '../eventlog/forward.js';
import type { EventLog, ProcessorLog, Topic } from '../eventlog/port.js';
import { pause } from '../waiting/pause.js';
import { onKafka, openLocal } from './event-log.js';
import { openFleetLog } from './fleet-log.js';
import { type ReadingGroup, showLog } from './own-log.js';
import { type RoleSurroundings, runStages, type Stage } from './role.js';

/** What runs on every hypervisor. It loads neither the correlator nor a store, which would double its memory. */

/** This host's events into the log on its disk, and from there to Kafka where that is configured. */
export async function collectForFleet(surroundings: RoleSurroundings): Promise<void> {
  const configuration = surroundings.configuration();
  const { event_log, host } = configuration;
  const spool = await openedSpool(surroundings);
  if (spool === null) return;
  const kafka = event_log.kind === 'kafka' ? await openFleetLog(surroundings, event_log, host) : null;
  const groups: ReadingGroup[] = kafka === null ? [] : [{ group: FORWARD_GROUP, topic: 'events' }];
  try {
    await runStages(surroundings.signal, [
      collecting(surroundings, spool),
      ...(kafka === null ? [] : [forwarding(surroundings, spool, kafka)]),
      showing(surroundings, spool, groups),
    ]);
  } finally {
    await kafka?.close();
    await spool.close();
  }
}

const OPEN_RETRY = { first_ms: 200, most_ms: 5_000 };
const PASSING: ReadonlySet<string> = new Set(['MA_LOG_FULL', 'MA_LOG_WRITE']);

/** While the disk does not let the log be opened it waits, as it does when that happens later. Null when aborted first. */
export async function openedSpool({
  configuration,
  health,
  logger,
  signal,
}: RoleSurroundings): Promise<Awaited<ReturnType<typeof openLocal>> | null> {
  const condition = health.condition('event-log-open', 'is opening the event log');
  const backOff = new BackOff({ ...OPEN_RETRY, seed: `open ${process.pid}` });
  while (!signal.aborted) {
    try {
      const log = await openLocal(configuration(), false);
      condition.ready();
      return log;
    } catch (error) {
      if (!(error instanceof MigrationAuditError && PASSING.has(error.code))) throw error;
      logger.error({ err: error }, 'the event log cannot be opened; trying again');
      condition.notReady(`${error.message} (${error.where})`);
      await pause(backOff.next(), signal);
    }
  }
  return null;
}

export function collecting(
  { configuration, metrics, health, logger }: RoleSurroundings,
  spool: EventLog,
): Stage {
  return {
    run: (signal) =>
      collectHost({
        configuration,
        spool,
        metrics: metrics.of,
        health,
        log: logger,
        input: process.stdin,
        signal,
      }),
  };
}

/** Above this a batch is sent although there is more; the brokers have their own limit for a record. */
const FORWARD_RECORDS_MAX = 5_000;

function forwarding(
  { configuration, metrics, health, logger }: RoleSurroundings,
  spool: EventLog,
  to: Parameters<typeof forward>[0]['to'],
): Stage {
  const condition = health.condition('forward', 'is reaching the brokers');
  const { batch_bytes_max } = onKafka(configuration());
  const common = { spool, to, batch_records_max: FORWARD_RECORDS_MAX, batch_bytes_max };
  return {
    run: (signal) => forward({ ...common, metrics: metrics.of, condition, logger, signal }),
    isCaughtUp: () => isCaughtUp(spool, FORWARD_GROUP, ['events']),
  };
}

export function showing(
  { configuration, metrics }: RoleSurroundings,
  log: EventLog,
  groups: readonly ReadingGroup[],
): Stage {
  return { run: (signal) => showLog(log, configuration(), groups, metrics.of, signal) };
}

/** The group has read all that the topics hold. Of a log that has to ask for it nobody waits: what is left is read at the next start. */
export function isCaughtUp(log: ProcessorLog, group: string, topics: readonly Topic[]): boolean {
  return topics.every((topic) => {
    const lag = log.lag(group, topic);
    return lag instanceof Promise || lag.records === 0;
  });
}
