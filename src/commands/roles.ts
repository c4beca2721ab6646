import type { Configuration } from '../config/schema.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { ProcessorLog } from '../eventlog/port.js';
import { openConfiguredStore } from '../store/open.js';
import { storeSocket } from '../store/places.js';
import { serveStore } from '../store/socket.js';
import type { Store } from '../store/store.js';
import { correlateRole } from '../stream/correlate-role.js';
import { CORRELATE_GROUP } from '../stream/processor.js';
import { storeRole } from '../stream/store-role.js';
import { STORE_GROUP } from '../stream/store-writer.js';
import { collecting, isCaughtUp, openedSpool, showing } from './collect-role.js';
import { onKafka } from './event-log.js';
import { openFleetLog } from './fleet-log.js';
import { type RoleSurroundings, runStages, type Stage } from './role.js';

/** The roles that judge and store: on one machine all of them with the collector on one log, in a fleet each alone. */

/** Everything on this host. */
export async function runOnOneMachine(surroundings: RoleSurroundings): Promise<void> {
  const configuration = surroundings.configuration();
  const { event_log } = configuration;
  if (event_log.kind !== 'local')
    throw new MigrationAuditError('MA_CONFIG', 'event_log.kind', `it is ${event_log.kind}`, {
      hint: 'run keeps its events in the data directory: use collect, correlate and store with Kafka',
    });
  const log = await openedSpool(surroundings);
  if (log === null) return;
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

/** The cluster's events on Kafka into conclusions on Kafka. */
export function correlateForFleet(surroundings: RoleSurroundings): Promise<void> {
  return onFleetLog(surroundings, (log) => correlating(surroundings, log));
}

/** Everything on Kafka into the store. */
export function storeForFleet(surroundings: RoleSurroundings): Promise<void> {
  return onFleetLog(surroundings, (log) => storing(surroundings, log));
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
