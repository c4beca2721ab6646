import { basename, join, resolve } from 'node:path';
import { snapshotParserFor } from '../collect/host/files.js';
import { byAge, isGuestConsole, isPackedCopy } from '../collect/tail/rotated-names.js';
import { MigrationAuditError } from '../domain/errors.js';
import { getOrMake, groupBy } from '../domain/group.js';
import { filesOfHost, type HostFile, isDirectory, isPlace, namesIn } from './host-files.js';
import { streamFileOf } from './source-files.js';
import type { HostSources, Sources, StreamSource } from './sources.js';

/** So deep a capture may be wrapped in directories that hold nothing else. */
const WRAPPINGS_MAX = 3;

/**
 * Lists a capture: one directory per host, each file of which is optional; or one host's directory itself; or a
 * directory that a capture lies in. Symbolic links are followed.
 *
 * @throws MigrationAuditError MA_NOT_FOUND, MA_UNREADABLE, MA_NOT_A_CAPTURE
 */
export async function sourcesOfCapture(directory: string): Promise<Sources> {
  const found = await captureIn(directory, WRAPPINGS_MAX);
  if (found === null) throw new MigrationAuditError('MA_NOT_A_CAPTURE', directory);
  return found;
}

async function captureIn(directory: string, wrappings: number): Promise<Sources | null> {
  const hosts: HostSources[] = [];
  const ignored: string[] = [];
  const others: string[] = [];
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    if (isPlace(name) || !(await isDirectory(path))) {
      ignored.push(path);
      continue;
    }
    const found = await sourcesOfHost(name, path);
    ignored.push(...found.ignored);
    if (isKnown(found.sources)) hosts.push(found.sources);
    else others.push(path);
  }
  if (hosts.length > 0) return { hosts, ignored };
  const own = await sourcesOfHost(basename(resolve(directory)) || 'host', directory);
  if (isKnown(own.sources)) return { hosts: [own.sources], ignored: own.ignored };
  return wrappings === 0 ? null : await wrappedIn(directory, others, wrappings - 1);
}

/** The one capture among the directories. */
async function wrappedIn(
  directory: string,
  among: readonly string[],
  wrappings: number,
): Promise<Sources | null> {
  const captures: { path: string; sources: Sources }[] = [];
  for (const path of among) {
    const sources = await captureIn(path, wrappings);
    if (sources !== null) captures.push({ path, sources });
  }
  const [first, second] = captures;
  if (second === undefined) return first?.sources ?? null;
  const names = captures.map(({ path }) => basename(path)).join(', ');
  throw new MigrationAuditError('MA_NOT_A_CAPTURE', directory, `it holds several captures: ${names}`, {
    hint: 'name one of them, or those that belong together',
  });
}

/** Lists one host's directory. What is no log and no snapshot comes back as ignored. */
export async function sourcesOfHost(
  host: string,
  directory: string,
): Promise<{ sources: HostSources; ignored: string[] }> {
  const sources = emptyHost(host);
  const ignored: string[] = [];
  const files = await filesOfHost(directory);
  for (const together of groupBy(files, (file) => file.directory).values()) sort(together, sources, ignored);
  return { sources, ignored };
}

/** @param files of one directory */
function sort(files: readonly HostFile[], sources: HostSources, ignored: string[]): void {
  const present = new Set(files.map(({ name }) => name));
  const bases = new Set(files.flatMap(({ name }) => streamFileOf(name)?.base ?? []));
  const streams = new Map<string, { role: StreamSource['role']; files: HostFile[] }>();
  for (const file of files) {
    const { path, name } = file;
    const stream = streamFileOf(name);
    if (stream !== null && !isGuestConsole(stream.base, bases) && !isPackedCopy(name, present))
      getOrMake(streams, stream.base, () => ({ role: stream.role, files: [] })).files.push(file);
    else if (name === 't0') sources.times.before = path;
    else if (name === 't1') sources.times.after = path;
    else if (stream === null && snapshotParserFor(name) !== null)
      sources.snapshots.push({ path, name, before: name.endsWith('.before') });
    else ignored.push(path);
  }
  for (const { role, files: ofStream } of streams.values()) {
    const oldestFirst = ofStream.sort((a, b) => byAge(a.name, b.name));
    sources.streams.push({ role, files: oldestFirst.map(({ path }) => path) });
  }
}

export function emptyHost(host: string): HostSources {
  return { host, streams: [], snapshots: [], times: { before: null, after: null } };
}

function isKnown(sources: HostSources): boolean {
  return sources.streams.length > 0 || sources.snapshots.length > 0;
}
