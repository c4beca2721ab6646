import { join } from 'node:path';
import type { Configuration } from '../config/schema.js';

/** Where a configuration keeps its embedded store. */
type Places = Pick<Configuration, 'data_directory'>;

export function embeddedDirectory({ data_directory }: Places): string {
  return join(data_directory, 'store');
}

/** Where others of this machine read the embedded store while a role holds it. */
export function storeSocket({ data_directory }: Places): string {
  return join(data_directory, 'store.sock');
}
