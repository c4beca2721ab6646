import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { Configuration } from '../config/schema.js';
import { embeddedDirectory } from './places.js';
import { openStore, type Store } from './store.js';

/**
 * Opens the store that the configuration names, and brings its tables up to date.
 *
 * @throws MigrationAuditError MA_NO_STORE, MA_STORE, as while the server is away
 */
export function openConfiguredStore(
  configuration: Pick<Configuration, 'data_directory' | 'store'>,
): Promise<Store> {
  const { store } = configuration;
  if (store.kind === 'embedded') return openStore({ path: embeddedDirectory(configuration) });
  const { url, database, user, password, replicated_on } = store;
  const client = createClient({
    url,
    database,
    username: user,
    password: password?.reveal() ?? '',
    application: 'migration-audit',
    log: { level: ClickHouseLogLevel.OFF }, // it would write to stderr on its own; every error comes to us as well
  });
  return openStore({ client, cluster: replicated_on });
}
