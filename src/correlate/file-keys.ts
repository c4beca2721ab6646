import type { ByteText } from '../domain/byte-text.js';
import type { EventOf } from '../events/event.js';
import type { Storage, StorageMap, StoredFile } from './storage.js';

/** An event that says something of one file by name or inode. */
export type FileEvent = EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>;

const INODE = 'inode\0';

/** @param space what inode numbers are unique in */
export function inodeKey(space: string, inode: string): string {
  return `${INODE}${space}\0${inode}`;
}

/** @param space what paths are unique in */
function nameKey(space: string, path: ByteText): string {
  return `name\0${space}\0${path}`;
}

/** Names are hostile bytes: what kind a key is stands before them, and only NUL is in none. */
export function isInodeKey(key: string): boolean {
  return key.startsWith(INODE);
}

/** The inode or the path that a key is made of. */
export function inodeOrPathOf(key: string): string {
  return key.slice(key.lastIndexOf('\0') + 1);
}

/**
 * What a file can be known by. A file has an identity (storage + inode) and names (storage + path); records state one,
 * the other or both.
 */
export class FileKeys {
  readonly storages: StorageMap;

  constructor(storages: StorageMap) {
    this.storages = storages;
  }

  /** Best first. */
  ofEvent(host: string, event: FileEvent): string[] {
    const { dev, inode } = event.body;
    const usable = usablePath(event);
    const stored = this.storages.locate(host, usable, dev);
    const keys: string[] = [];
    // where mounts are not known, what is configured names no storage that inodes are unique in: a device is one
    const mounted = this.storages.knowsMounts(host) ? stored.storage : null;
    if (inode !== null && mounted) keys.push(inodeKey(mounted.key, inode));
    if (inode !== null && dev !== null && usable === null) {
      keys.push(...this.storages.partsOf(host, dev).map(({ key }) => inodeKey(key, inode)));
    }
    if (inode !== null && dev !== null && !mounted) keys.push(inodeKey(`dev:${host}:${dev}`, inode));
    if (usable !== null) keys.push(...this.keysOfPath(host, usable, stored));
    return keys;
  }

  /** What the file can be known by if the mounts on record are not those of the time of the event; best first. */
  ofFormerMounts(host: string, event: FileEvent): string[] {
    const { dev, inode } = event.body;
    const usable = usablePath(event);
    if (dev === null) return [];
    const storages = this.storages.formerly(host, usable, dev);
    if (storages.length === 0) return [];
    const keys = inode === null ? [] : storages.map(({ key }) => inodeKey(key, inode));
    return usable === null ? keys : [...keys, ...this.ofPath(host, usable)];
  }

  ofPath(host: string, path: ByteText): string[] {
    return this.keysOfPath(host, path, this.storages.locate(host, path, null));
  }

  storageOf(host: string, event: FileEvent): Storage | null {
    return this.storages.locate(host, usablePath(event), event.body.dev).storage;
  }

  private keysOfPath(host: string, path: ByteText, stored: StoredFile): string[] {
    if (stored.storage === null) {
      // without mounts the path is all there is; one path on several hosts is taken for one file, and the verdict
      // says that the storage is unknown. With mounts, a device that is none of them is a private /dev or the like.
      return this.storages.knowsMounts(host) ? [] : [nameKey('path', path)];
    }
    if (stored.storagePath === null) return [];
    const key = nameKey(stored.storage.pathSpace, stored.storagePath);
    return stored.storage.shared ? [key, nameKey('path', path)] : [key];
  }
}

/** The name that the call used, when it is one that says where the file is. */
export function usablePath(event: FileEvent): ByteText | null {
  const { path } = event.body;
  if (path === null || !path.startsWith('/')) return null;
  if (event.kind === 'AccessDenied') return path;
  const quality = event.body.path_quality;
  return quality === 'absolute' || quality === 'joined' ? path : null;
}

export function isNamedInUnknownDirectory(event: FileEvent): boolean {
  return (
    event.kind === 'RelabelObserved' &&
    event.body.path_quality === 'relative-to-unknown-dirfd' &&
    event.body.path !== null
  );
}

export function baseName(path: ByteText): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function directoryOf(path: ByteText): string {
  return path.slice(0, path.lastIndexOf('/'));
}
