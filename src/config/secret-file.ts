import { isUtf8 } from 'node:buffer';
import { readSmallFile } from './bounded-file.js';
import type { Configuration } from './schema.js';
import { Secret } from './secret.js';

const SECRET_BYTES_MAX = 4096;
const OTHERS_MAY_READ = 0o004;

interface WithPasswords {
  configuration: Configuration;
  /** sections whose password came out of a file */
  fromFiles: string[][];
  warnings: string[];
}

/** A section with a password, as they all have it. */
interface Login {
  password_file: string | null;
  password: Secret | null;
}

/** The section whose file cannot be used, and in words why. */
export interface BadPasswordFile {
  section: string[];
  text: string;
}

/** The configuration with the passwords that its files hold. */
export async function withPasswords(configuration: Configuration): Promise<WithPasswords | BadPasswordFile> {
  const warnings: string[] = [];
  const fromFiles: string[][] = [];
  let { store, event_log } = configuration;
  const read = async <T extends Login>(section: string[], login: T): Promise<T | BadPasswordFile> => {
    if (login.password_file === null || login.password !== null) return login;
    const found = await passwordIn(login.password_file);
    if (typeof found === 'string') return { section, text: found };
    warnings.push(...found.warnings);
    fromFiles.push(section);
    return { ...login, password: found.password };
  };
  if (store.kind === 'http') {
    const found = await read(['store'], store);
    if ('section' in found) return found;
    store = found;
  }
  if (event_log.kind === 'kafka') {
    const found = await read(['event_log', 'sasl'], event_log.sasl);
    if ('section' in found) return found;
    event_log = { ...event_log, sasl: found };
    const registry = await read(['event_log', 'schema_registry'], event_log.schema_registry);
    if ('section' in registry) return registry;
    event_log = { ...event_log, schema_registry: registry };
  }
  return { configuration: { ...configuration, store, event_log }, fromFiles, warnings };
}

async function passwordIn(file: string): Promise<{ password: Secret; warnings: string[] } | string> {
  const found = await readSmallFile(file, SECRET_BYTES_MAX);
  if (typeof found === 'string') return `${file} ${found}`;
  const text = isUtf8(found.bytes) ? found.bytes.toString('utf8').replace(/\r?\n$/, '') : '\0';
  if (text === '') return `${file} is empty`;
  if (/\p{Cc}/u.test(text)) return `${file} holds more than one line of text`;
  const warnings =
    (found.mode & OTHERS_MAY_READ) === 0
      ? []
      : [`${file}: every user of this host may read the password; chmod o-r would keep it`];
  return { password: new Secret(text), warnings };
}
