import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readFailure } from '../collect/file-bytes.js';
import { snapshotParserFor } from '../collect/host/files.js';
import { byAge, isGuestConsole, isPackedCopy } from '../collect/tail/rotated-names.js';
import { MigrationAuditError } from '../domain/errors.js';
import { getOrMake } from '../domain/group.js';
import { streamFileOf } from './source-files.js';
import type { HostSources, Sources, StreamSource } from './sources.js';

/**
 * Lists a capture: one directory per host, each file of which is optional. Symbolic links are followed.
 *
 * @throws MigrationAuditError MA_NOT_FOUND, MA_UNREADABLE, MA_NOT_A_CAPTURE
 */
export async function sourcesOfCapture(directory: string): Promise<Sources> {
  const names = await namesIn(directory);
  const hosts: HostSources[] = [];
  const ignored: string[] = [];
  for (const name of names) {
    const path = join(directory, name);
    if (!(await isDirectory(path))) {
      ignored.push(path);
      continue;
    }
    const found = await sourcesOfHost(name, path);
    ignored.push(...found.ignored);
    if (isKnown(found.sources)) hosts.push(found.sources);
  }
  if (hosts.length === 0) throw notACapture(directory, names);
  return { hosts, ignored };
}

/** Lists one host's directory. What is no log and no snapshot comes back as ignored. */
export async function sourcesOfHost(
  host: string,
  directory: string,
): Promise<{ sources: HostSources; ignored: string[] }> {
  const names = await namesIn(directory);
  const present = new Set(names);
  const sources = emptyHost(host);
  const ignored: string[] = [];
  const streams = new Map<string, StreamSource & { names: string[] }>();
  const bases = new Set(names.flatMap((name) => streamFileOf(name)?.base ?? []));

  for (const name of names) {
    const path = join(directory, name);
    const stream = streamFileOf(name);
    if (stream !== null && !isGuestConsole(stream.base, bases) && !isPackedCopy(name, present)) {
      const source = getOrMake(streams, stream.base, () => ({ role: stream.role, files: [], names: [] }));
      source.names.push(name);
    } else if (name === 't0') sources.times.before = path;
    else if (name === 't1') sources.times.after = path;
    else if (stream === null && snapshotParserFor(name) !== null)
      sources.snapshots.push({ path, name, before: name.endsWith('.before') });
    else ignored.push(path);
  }
  sources.streams = [...streams.values()].map(({ role, names: files }) => ({
    role,
    files: files.sort(byAge).map((name) => join(directory, name)),
  }));
  return { sources, ignored };
}

export function emptyHost(host: string): HostSources {
  return { host, streams: [], snapshots: [], times: { before: null, after: null } };
}

function isKnown(sources: HostSources): boolean {
  return sources.streams.length > 0 || sources.snapshots.length > 0;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    throw readFailure(directory, error);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function notACapture(directory: string, names: string[]): MigrationAuditError {
  const log = names.find((name) => streamFileOf(name) !== null);
  if (log === undefined) return new MigrationAuditError('MA_NOT_A_CAPTURE', directory);
  const host = basename(directory) || 'hosta';
  return new MigrationAuditError('MA_NOT_A_CAPTURE', directory, `it has ${log} itself`, {
    hint: `this looks like one host’s directory: name the directory above it, which should hold ${host}/ and its peers`,
  });
}
