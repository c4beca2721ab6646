import { rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Option } from 'commander';
import { MigrationAuditError } from '../domain/errors.js';
import type { Event } from '../events/event.js';
import type { Replayed } from '../replay/replay.js';
import { embeddedDirectory, storeSocket } from '../store/places.js';
import { connectStore, type StoreReader } from '../store/socket.js';
import type { Store } from '../store/store.js';
import type { Io } from './io.js';

/** The embedded store as the commands use it. Its engine is big, so it is loaded only when a command needs it. */

/** Which store a command reads: one of the two. */
export interface StoreOptions {
  store: string;
  config?: string;
}

export function storeOptions(io: Io): Option[] {
  return [
    new Option('--store <directory>', 'directory of the embedded store').default(defaultDirectory(io)),
    new Option('-c, --config <file>', 'read the store that this configuration file names').conflicts('store'),
  ];
}

/** Where the XDG Base Directory Specification wants data that is neither configuration nor cache. */
function defaultDirectory({ env }: Io): string {
  const state = env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state');
  return join(state, 'migration-audit', 'store');
}

/**
 * Opens a store that is there, uses it, and closes it. An embedded one that a role holds is asked through that role.
 *
 * @param use is also given the cluster of the configuration, where one was named
 * @throws MigrationAuditError MA_NOT_FOUND when there is none
 */
export async function usingStore<T>(
  io: Io,
  { store, config }: StoreOptions,
  use: (store: StoreReader, cluster: string | null) => Promise<T>,
): Promise<T> {
  if (config === undefined) {
    await refuseMissing(
      store,
      'name it with --store, or make one with: migration-audit replay CAPTURE --store DIRECTORY',
    );
    return usingOpened(await openEmbedded(store), (opened) => use(opened, null));
  }
  const [{ loadConfiguration }, { openConfiguredStore }] = await Promise.all([
    import('../config/load.js'),
    import('../store/open.js'),
  ]);
  const { configuration } = await loadConfiguration({ file: config, environment: io.env });
  if (configuration.store.kind === 'embedded') {
    const held = await connectStore(storeSocket(configuration));
    if (held !== null) return use(held, configuration.cluster);
    const hint = 'start a role that fills it, or correct data_directory';
    await refuseMissing(embeddedDirectory(configuration), hint);
  }
  const opened = await openConfiguredStore(configuration);
  return usingOpened(opened, (store) => use(store, configuration.cluster));
}

/** Asking makes no store. */
async function refuseMissing(directory: string, hint: string): Promise<void> {
  if (!(await exists(directory)))
    throw new MigrationAuditError('MA_NOT_FOUND', directory, 'there is no store', { hint });
}

async function openEmbedded(directory: string): Promise<Store> {
  const { openStore } = await import('../store/store.js');
  return openStore({ path: directory });
}

async function usingOpened<T>(store: Store, use: (store: Store) => Promise<T>): Promise<T> {
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

const EVENTS_PER_WRITE = 5000;

/**
 * Writes to the store what `read` comes upon, then its report. A store that was made for this is removed again when
 * it fails; in one that was there before, events that were written stay: they are facts, and the next time adds none.
 */
export async function keepingIn(
  directory: string,
  cluster: string,
  read: (onEvents: (events: Event[]) => Promise<void>) => Promise<Replayed>,
): Promise<Replayed> {
  const isNew = !(await exists(directory));
  try {
    return await usingOpened(await openEmbedded(directory), async (store) => {
      const writer = batching(store);
      const replayed = await read(writer.add);
      await writer.flush();
      await store.writeReport(cluster, replayed.report);
      return replayed;
    });
  } catch (error) {
    if (isNew) await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Small inserts are what ClickHouse likes least. */
function batching(store: Store): { add: (events: Event[]) => Promise<void>; flush: () => Promise<void> } {
  let pending: Event[] = [];
  const flush = async () => {
    const events = pending;
    pending = [];
    if (events.length > 0) await store.writeEvents(events);
  };
  return {
    flush,
    add: async (events) => {
      for (const event of events) pending.push(event);
      if (pending.length >= EVENTS_PER_WRITE) await flush();
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
