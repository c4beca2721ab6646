import { collectHost } from '../collect/collect-host.js';
import type { Configuration } from '../config/schema.js';
import { MigrationAuditError } from '../domain/errors.js';
import { FORWARD_GROUP, forward } from '../eventlog/forward.js';
import type { EventLog, ProcessorLog, Topic } from '../eventlog/port.js';
import { openConfiguredStore } from '../store/open.js';
import { storeSocket } from '../store/places.js';
import { serveStore } from '../store/socket.js';
import type { Store } from '../store/store.js';
import { correlateRole } from '../stream/correlate-role.js';
import { CORRELATE_GROUP } from '../stream/processor.js';
import { storeRole } from '../stream/store-role.js';
import { STORE_GROUP } from '../stream/store-writer.js';
import { type KafkaConfiguration, onKafka, openKafka, openLocal } from './event-log.js';
import { type ReadingGroup, showLog } from './own-log.js';
import { type RoleSurroundings, runStages, type Stage } from './role.js';

/** The long-lived roles, put together from their parts: on one machine all of them on one log, in a fleet each alone. */

/** Everything on this host. */
export async function runOnOneMachine(surroundings: RoleSurroundings): Promise<void> {
  const configuration = surroundings.configuration();
  const { event_log } = configuration;
  if (event_log.kind !== 'local')
    throw new MigrationAuditError('MA_CONFIG', 'event_log.kind', `it is ${event_log.kind}`, {
      hint: 'run keeps its events in the data directory: use collect, correlate and store with Kafka',
    });
  const log = await openLocal(configuration, false);
  try {
    await runStages(surroundings.signal, [
      collecting(surroundings, log),
      correlating(surroundings, log),
      storing(surroundings, log),
      showing(surroundings, log, [
        { group: CORRELATE_GROUP, topic: 'events' },
        { group: STORE_GROUP, topic: 'events' },
      ]),
    ]);
  } finally {
    await log.close();
  }
}

/** This host's events into the log on its disk, and from there to Kafka where that is configured. */
export async function collectForFleet(surroundings: RoleSurroundings): Promise<void> {
  const configuration = surroundings.configuration();
  const { event_log, host } = configuration;
  const spool = await openLocal(configuration, false);
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

/** The cluster's events on Kafka into conclusions on Kafka. */
export function correlateForFleet(surroundings: RoleSurroundings): Promise<void> {
  return onFleetLog(surroundings, (log) => correlating(surroundings, log));
}

/** Everything on Kafka into the store. */
export function storeForFleet(surroundings: RoleSurroundings): Promise<void> {
  return onFleetLog(surroundings, (log) => storing(surroundings, log));
}

/** A registry counts as ready until it fails: it is asked for nothing before there is something to send or to read. */
function openFleetLog(
  { health, logger }: RoleSurroundings,
  configured: KafkaConfiguration,
  host: string,
): ReturnType<typeof openKafka> {
  if (configured.schema_registry.url === null) return openKafka(configured, host, logger);
  const condition = health.condition('schema-registry');
  condition.ready();
  return openKafka(configured, host, logger, condition);
}

async function onFleetLog(
  surroundings: RoleSurroundings,
  stageOn: (log: ProcessorLog) => Stage,
): Promise<void> {
  const configuration = surroundings.configuration();
  const log = await openFleetLog(surroundings, onKafka(configuration), configuration.host);
  try {
    await runStages(surroundings.signal, [stageOn(log)]);
  } finally {
    await log.close();
  }
}

function collecting({ configuration, metrics, health, logger }: RoleSurroundings, spool: EventLog): Stage {
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

const HOUR_US = 3_600_000_000;

export function correlating(surroundings: RoleSurroundings, log: ProcessorLog): Stage {
  const { configuration, metrics, health, logger } = surroundings;
  const { correlate, storage } = configuration();
  const options = {
    correlator: { sharedPaths: storage.shared_paths, localPaths: storage.local_paths },
    batch_events_max: correlate.batch_events_max,
    keep_settled_us: correlate.keep_settled_h * HOUR_US,
    state_bytes_max: correlate.state_bytes_max,
  };
  return {
    run: (signal) => correlateRole({ log, options, metrics, health, logger, signal }),
    isCaughtUp: () => isCaughtUp(log, CORRELATE_GROUP, ['events']),
  };
}

export function storing(surroundings: RoleSurroundings, log: ProcessorLog): Stage {
  const { metrics, health, logger } = surroundings;
  return {
    run: (signal) =>
      withStore(surroundings.configuration(), (open) =>
        storeRole({ log, open, metrics, health, logger, signal }),
      ),
    isCaughtUp: () => isCaughtUp(log, STORE_GROUP, ['events', 'timeline', 'findings']),
  };
}

/** Closes what `use` opened. An embedded store answers on its socket meanwhile. */
async function withStore(
  configuration: Configuration,
  use: (open: () => Promise<Store>) => Promise<void>,
): Promise<void> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    await use(async () => {
      const store = await openConfiguredStore(configuration);
      opened.unshift(store);
      if (configuration.store.kind === 'embedded')
        opened.unshift(await serveStore(store, storeSocket(configuration)));
      return store;
    });
  } finally {
    for (const each of opened) await each.close();
  }
}

function showing(
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
