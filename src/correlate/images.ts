import type { ByteText } from '../domain/byte-text.js';
import { getOrMake } from '../domain/group.js';
import type { AssignedImage, EventOf } from '../events/event.js';
import type { GuestNames } from './guest-names.js';
import type { HostRecord } from './host-record.js';
import type { Storage, StorageMap, StoredFile } from './storage.js';

/** One use of an image by a guest, as one host stated it. */
export interface ImageUse {
  guest: string;
  host: string;
  image: AssignedImage;
  path: ByteText;
}

export interface ImageFile {
  /** stable identity of the file within this set of events */
  id: string;
  /** a name of it, for people */
  path: ByteText | null;
  uses: ImageUse[];
}

/** How sure the match of a call with an image is. */
export type Match = 'identity' | 'name' | 'server-name';

/**
 * Which file is which. A file has an identity (storage + inode) and names (storage + path); records state one, the
 * other or both, and those that state both tie them together. Names alone identify files that no record ever gave
 * an inode; the last part of a name identifies a file only when the directory is unknown and nothing contradicts.
 */
export class ImageMap {
  private readonly storages: StorageMap;
  private readonly parent = new Map<string, string>();
  private readonly files = new Map<string, ImageFile>();
  private readonly byBaseName = new Map<string, Set<string>>();
  private readonly hasInode = new Set<string>();
  private readonly byGuest = new Map<string, ImageUse[]>();
  /** guests with at least one complete list of images */
  readonly complete = new Set<string>();

  constructor(records: readonly HostRecord[], storages: StorageMap, names: GuestNames) {
    this.storages = storages;
    const uses: { use: ImageUse; keys: string[] }[] = [];
    for (const record of records) {
      for (const [position, event] of record.events.entries()) {
        if (event.kind === 'RelabelObserved' || event.kind === 'AccessDenied') this.tie(record.host, event);
        if (event.kind !== 'ImageAssigned') continue;
        const guest = names.key(record.host, position, event.body.guest);
        if (guest === null) continue;
        if (event.body.complete) this.complete.add(guest);
        for (const image of event.body.images) {
          if (image.path === null || image.source === 'network' || image.source === 'volume') continue;
          const use = { guest, host: record.host, image, path: image.path };
          uses.push({ use, keys: this.pathKeys(record.host, image.path) });
        }
      }
    }
    uses.push(...this.usesElsewhere(uses, records, names));
    uses.sort((a, b) => compareUses(a.use, b.use));
    for (const { keys } of uses) {
      for (const key of keys.slice(1)) this.union(keys[0] as string, key);
    }
    for (const { use, keys } of uses) this.addUse(this.find(keys[0] as string), use);
    for (const [key, file] of this.files) {
      for (const use of file.uses) getOrMake(this.byBaseName, baseName(use.path), () => new Set()).add(key);
    }
  }

  /** A guest keeps the paths of its images when it moves: what one host stated holds on every host that had it. */
  private usesElsewhere(
    stated: readonly { use: ImageUse; keys: string[] }[],
    records: readonly HostRecord[],
    names: GuestNames,
  ): { use: ImageUse; keys: string[] }[] {
    const known = new Set(stated.map(({ use }) => `${use.guest}\n${use.host}\n${use.path}`));
    const derived: { use: ImageUse; keys: string[] }[] = [];
    for (const record of records) {
      const guests = names.guestsOf(record.host);
      for (const { use } of stated) {
        const key = `${use.guest}\n${record.host}\n${use.path}`;
        if (!guests.has(use.guest) || known.has(key)) continue;
        known.add(key);
        derived.push({ use: { ...use, host: record.host }, keys: this.pathKeys(record.host, use.path) });
      }
    }
    return derived;
  }

  usesOf(guest: string): readonly ImageUse[] {
    return this.byGuest.get(guest) ?? [];
  }

  /** The image that a call touched, null when no guest is known to use the file. */
  match(
    host: string,
    event: EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>,
  ): { file: ImageFile; by: Match; storage: Storage | null } | null {
    const { dev } = event.body;
    const { storage } = this.storages.locate(host, usablePath(event), dev);
    for (const key of this.keysOf(host, event)) {
      const file = this.files.get(this.find(key));
      if (!file || contradictsName(event, file)) continue;
      const nameless = dev !== null && usablePath(event) === null;
      const exported = nameless ? this.storages.exportsOn(host, dev) : [];
      const root = this.find(key);
      const served = exported.find((each) => this.find(`${each.key}#${event.body.inode}`) === root);
      return { file, by: 'identity', storage: served ?? storage };
    }

    return isNamedInUnknownDirectory(event) ? this.matchByBaseName(host, event, storage) : null;
  }

  /**
   * A file with the same last name on the same storage, when there is one only and its inode is not known. On the
   * server's own disk such a name says less: it can stand in any directory of it.
   */
  private matchByBaseName(
    host: string,
    event: EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>,
    storage: Storage | null,
  ): { file: ImageFile; by: Match; storage: Storage | null } | null {
    const { path, dev } = event.body;
    const exported = dev === null ? [] : this.storages.exportsOn(host, dev);
    const possible = new Set([storage?.key, ...exported.map((each) => each.key)]);
    const candidates = new Set<ImageFile>();
    for (const key of this.byBaseName.get(baseName(path as ByteText)) ?? []) {
      const file = this.files.get(key) as ImageFile;
      if (this.hasInode.has(key)) continue;
      if (storage && !file.uses.some((use) => this.liesOn(use, possible))) continue;
      candidates.add(file);
    }
    const [file] = candidates;
    if (!file || candidates.size > 1) return null;
    // what another host uses is no file of this host's own, whether or not the mounts of that host are known
    const isOwn = file.uses.some((use) => use.host === host && this.liesOn(use, new Set([storage?.key])));
    const served = !isOwn && exported[0];
    return served ? { file, by: 'server-name', storage: served } : { file, by: 'name', storage };
  }

  private liesOn(use: ImageUse, keys: ReadonlySet<string | undefined>): boolean {
    const { storage } = this.storages.locate(use.host, use.path, null);
    return storage === null || keys.has(storage.key);
  }

  private keysOf(host: string, event: EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>): string[] {
    const { dev, inode } = event.body;
    const usable = usablePath(event);
    const stored = this.storages.locate(host, usable, dev);
    const keys: string[] = [];
    if (inode !== null && stored.storage) keys.push(`${stored.storage.key}#${inode}`);
    if (inode !== null && dev !== null && usable === null) {
      keys.push(...this.storages.exportsOn(host, dev).map(({ key }) => `${key}#${inode}`));
    }
    if (inode !== null && dev !== null && !stored.storage) keys.push(`dev:${host}:${dev}#${inode}`);
    if (usable !== null) keys.push(...this.keysOfPath(host, usable, stored));
    return keys;
  }

  private pathKeys(host: string, path: ByteText): string[] {
    return this.keysOfPath(host, path, this.storages.locate(host, path, null));
  }

  private keysOfPath(host: string, path: ByteText, stored: StoredFile): string[] {
    if (stored.storage === null) {
      // without mounts the path is all there is; one path on several hosts is taken for one file, and the verdict
      // says that the storage is unknown. With mounts, a device that is none of them is a private /dev or the like.
      return this.storages.knowsMounts(host) ? [] : [`path|${path}`];
    }
    if (stored.storagePath === null) return [];
    const key = `${stored.storage.pathSpace}|${stored.storagePath}`;
    return stored.storage.shared ? [key, `path|${path}`] : [key];
  }

  private tie(host: string, event: EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>): void {
    const [first, second] = this.keysOf(host, event);
    if (first?.includes('#') && second !== undefined) this.union(first, second);
  }

  private addUse(root: string, use: ImageUse): void {
    getOrMake(this.files, root, () => ({ id: root, path: use.path, uses: [] })).uses.push(use);
    getOrMake(this.byGuest, use.guest, () => []).push(use);
  }

  private find(key: string): string {
    let root = key;
    for (let next = this.parent.get(root); next !== undefined; next = this.parent.get(root)) root = next;
    return root;
  }

  /** The smaller key becomes the root, so that the result does not depend on the order of events. */
  private union(a: string, b: string): void {
    const [rootA, rootB] = [this.find(a), this.find(b)];
    const inode =
      rootA.includes('#') || rootB.includes('#') || this.hasInode.has(rootA) || this.hasInode.has(rootB);
    const [root, child] = rootA < rootB ? [rootA, rootB] : [rootB, rootA];
    if (root !== child) this.parent.set(child, root);
    if (inode) this.hasInode.add(root);
  }
}

function compareUses(a: ImageUse, b: ImageUse): number {
  const keyOf = (use: ImageUse) => `${use.guest}\n${use.host}\n${use.path}\n${use.image.role}`;
  const [keyA, keyB] = [keyOf(a), keyOf(b)];
  return keyA < keyB ? -1 : keyA > keyB ? 1 : 0;
}

function isNamedInUnknownDirectory(event: EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>): boolean {
  return (
    event.kind === 'RelabelObserved' &&
    event.body.path_quality === 'relative-to-unknown-dirfd' &&
    event.body.path !== null
  );
}

/** The last part of a name is given and is none of the file's: the inode is another file system's. */
function contradictsName(
  event: EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>,
  file: ImageFile,
): boolean {
  if (!isNamedInUnknownDirectory(event)) return false;
  const name = baseName(event.body.path as ByteText);
  return file.uses.every((use) => baseName(use.path) !== name);
}

/** The name that the call used, when it is one that says where the file is. */
function usablePath(event: EventOf<'RelabelObserved'> | EventOf<'AccessDenied'>): ByteText | null {
  const { path } = event.body;
  if (path === null || !path.startsWith('/')) return null;
  if (event.kind === 'AccessDenied') return path;
  const quality = event.body.path_quality;
  return quality === 'absolute' || quality === 'joined' ? path : null;
}

function baseName(path: ByteText): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
