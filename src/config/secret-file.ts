import { isUtf8 } from 'node:buffer';
import { readSmallFile } from './bounded-file.js';
import type { Configuration } from './schema.js';
import { Secret } from './secret.js';

const SECRET_BYTES_MAX = 4096;
const OTHERS_MAY_READ = 0o004;

interface WithPassword {
  configuration: Configuration;
  isFromFile: boolean;
  warnings: string[];
}

/** The configuration with the password that its file holds, or in words why that file cannot be used. */
export async function passwordFrom(configuration: Configuration): Promise<WithPassword | string> {
  const { store } = configuration;
  if (store.kind !== 'http' || store.password_file === null || store.password !== null)
    return { configuration, isFromFile: false, warnings: [] };
  const found = await readSmallFile(store.password_file, SECRET_BYTES_MAX);
  if (typeof found === 'string') return `${store.password_file} ${found}`;
  const text = isUtf8(found.bytes) ? found.bytes.toString('utf8').replace(/\r?\n$/, '') : '\0';
  if (text === '') return `${store.password_file} is empty`;
  if (/\p{Cc}/u.test(text)) return `${store.password_file} holds more than one line of text`;
  const warnings =
    (found.mode & OTHERS_MAY_READ) === 0
      ? []
      : [`${store.password_file}: every user of this host may read the password; chmod o-r would keep it`];
  const password = new Secret(text);
  return { configuration: { ...configuration, store: { ...store, password } }, isFromFile: true, warnings };
}
