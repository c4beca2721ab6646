import { lstat, readdir } from 'node:fs/promises';
import { basename, isAbsolute, join, sep } from 'node:path';
import { byAge } from '../collect/tail/rotated-names.js';
import { MigrationAuditError } from '../domain/errors.js';
import { getOrMake, groupBy } from '../domain/group.js';
import { emptyHost, sourcesOfHost } from './capture.js';
import type { StreamRole } from './source-files.js';
import type { HostSources, Sources } from './sources.js';

/** One `--option host=PATTERN` of the command line. */
export interface NamedFile {
  /** option it came with, for messages */
  option: string;
  host: string;
  pattern: string;
  is: { stream: StreamRole } | { snapshot: string } | 'facts-directory';
}

/**
 * Sources named file by file. A pattern may hold `*` and `?` in any part of the path; the shell cannot expand it,
 * as it stands behind `host=`. Files of one option and host are one stream, oldest first.
 *
 * @throws MigrationAuditError MA_NOT_FOUND when a pattern matches nothing
 */
export async function sourcesOfNamedFiles(named: readonly NamedFile[]): Promise<Sources> {
  const hosts = new Map<string, HostSources>();
  const ignored: string[] = [];
  for (const file of named) {
    const sources = getOrMake(hosts, file.host, () => emptyHost(file.host));
    const paths = await expand(file.pattern);
    if (paths.length === 0)
      throw new MigrationAuditError('MA_NOT_FOUND', `${file.option} ${file.host}=${file.pattern}`);
    if (file.is === 'facts-directory') {
      for (const path of paths) {
        const found = await sourcesOfHost(file.host, path);
        sources.snapshots.push(...found.sources.snapshots);
        sources.times = found.sources.times;
        ignored.push(...found.ignored, ...found.sources.streams.flatMap((stream) => stream.files));
      }
    } else if ('snapshot' in file.is) {
      const { snapshot } = file.is;
      sources.snapshots.push(...paths.map((path) => ({ path, name: snapshot, before: false })));
    } else if (file.is.stream === 'guest-log') {
      // Every guest has a log of its own; they are no rotation of one another.
      for (const files of groupedByGuest(paths)) sources.streams.push({ role: 'guest-log', files });
    } else {
      sources.streams.push({ role: file.is.stream, files: paths.sort(byAgeOfPath) });
    }
  }
  return { hosts: [...hosts.values()], ignored };
}

function groupedByGuest(paths: string[]): string[][] {
  const groups = groupBy(paths, (path) => path.replace(/\.log.*$/, '.log'));
  return [...groups.values()].map((files) => files.sort(byAgeOfPath));
}

function byAgeOfPath(a: string, b: string): number {
  return byAge(basename(a), basename(b));
}

/** Paths that match, sorted; a pattern without wildcard stands for itself, so that its absence gets its own message. */
async function expand(pattern: string): Promise<string[]> {
  if (!/[*?]/.test(pattern)) return [pattern];
  let found = [isAbsolute(pattern) ? sep : ''];
  for (const part of pattern.split(sep).filter((segment) => segment !== '')) {
    found = /[*?]/.test(part)
      ? (await Promise.all(found.map((directory) => matchesIn(directory, part)))).flat()
      : found.map((directory) => join(directory, part));
  }
  const existing = await Promise.all(
    found.map((path) =>
      lstat(path).then(
        () => [path],
        () => [],
      ),
    ),
  );
  return existing.flat().sort();
}

async function matchesIn(directory: string, part: string): Promise<string[]> {
  const names = await readdir(directory === '' ? '.' : directory).catch(() => []);
  const source = part
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const pattern = new RegExp(`^${source}$`, 's');
  return names
    .filter((name) => pattern.test(name) && (part.startsWith('.') || !name.startsWith('.')))
    .map((name) => join(directory, name));
}
