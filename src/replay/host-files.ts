import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readFailure } from '../collect/file-bytes.js';

/** A file of a host, with the name that says what it is. */
export interface HostFile {
  path: string;
  /** as it would be called in a capture whose files all lie in the host's directory */
  name: string;
  /** where its rotations lie */
  directory: string;
}

/**
 * Directories below a host's in which its files may lie, as they do on the host itself (`var/log/audit`, `etc/libvirt`,
 * `proc/self`) or sorted by hand. What other directories hold is not the host's: a copy of another one may lie there.
 */
const PLACES: ReadonlySet<string> = new Set([
  'audit', 'etc', 'events', 'facts', 'libvirt', 'log', 'logs', 'proc', 'qemu', 'self', 'var',
]); // biome-ignore format: a table
/** `var/log/libvirt/qemu` has four; links that go in a circle have no end. */
const DEPTH_MAX = 6;

export function isPlace(name: string): boolean {
  return PLACES.has(name);
}

/** Files in a host's directory and in the places below it; a directory that is none of these stands for itself. */
export async function filesOfHost(directory: string): Promise<HostFile[]> {
  const files: HostFile[] = [];
  await collect(directory, [], files);
  return files;
}

async function collect(directory: string, places: readonly string[], files: HostFile[]): Promise<void> {
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    if (isPlace(name) && places.length < DEPTH_MAX && (await isDirectory(path)))
      await collect(path, [...places, name], files);
    else files.push({ path, name: nameIn(places, name), directory });
  }
}

/** libvirt keeps `NAME.log` and `NAME.xml` in directories of their own. */
function nameIn(places: readonly string[], name: string): string {
  if (places.slice(-2).join('/') !== 'libvirt/qemu') return name;
  if (name.endsWith('.xml')) return `domain-${name}`;
  return /\.log(?:[.-]|$)/.test(name) ? `qemu-${name}` : name;
}

export async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    throw readFailure(directory, error);
  }
}

export async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
