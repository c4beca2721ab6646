import type { ByteText } from '../domain/byte-text.js';
import type { Mount } from '../events/event.js';
import type { HostFacts } from './host-facts.js';

/**
 * Which storage a file lies on, whether other hosts see the same label there, and whether libvirt knows it.
 *
 * A file is the same on two hosts when it is the same inode of the same storage. Device numbers say nothing about
 * that (anonymous, reused, different on each host) and inode numbers collide, so storage is named by what was
 * mounted: `nfs:server:/export`, `9p:tag`, and for what only one host can see `local:host:major:minor`.
 */
export interface Storage {
  /** equal on all hosts that see the same storage; inode numbers are unique within it */
  key: string;
  /** paths inside the storage are unique within this: for NFS the server, whatever part of it is mounted */
  pathSpace: string;
  fsType: string;
  /** does another host see the same labels; null when the mounts of the host are not known */
  shared: boolean | null;
  /** does libvirt spare this storage when it restores labels after a migration */
  knownToLibvirt: boolean | null;
  mount: Mount | null;
  /** QEMU's image locks hold between hosts: a second QEMU cannot open an image for writing */
  locks: boolean;
}

/** A file as one host named it, with the storage it lies on. */
export interface StoredFile {
  storage: Storage | null;
  /** path inside the storage, equal on all hosts that mount it; null when the name does not tell */
  storagePath: ByteText | null;
}

/** statfs types that virFileIsSharedFS knows (libvirt 11.3, virfile.c); FUSE is looked up by its type. */
const LIBVIRT_SHARED = new Set([
  'nfs', 'nfs4', 'gfs2', 'ocfs2', 'afs', 'smb', 'smb3', 'smbfs', 'cifs', 'ceph', 'gpfs', 'acfs', 'beegfs',
  'fuse.glusterfs', 'fuse.quobyte',
]); // biome-ignore format: a table

/** Where one host's OFD locks, which QEMU takes on its images, are seen by the others. */
const LOCKS_BETWEEN_HOSTS = new Set(['nfs', 'nfs4', 'ceph', 'gfs2', 'ocfs2', 'gpfs']);

function locksBetweenHosts(mount: Mount): boolean {
  if (!LOCKS_BETWEEN_HOSTS.has(mount.fs_type)) return false;
  const local = /(?:^|,)local_lock=(\w+)/.exec(mount.options)?.[1];
  return !/(?:^|,)nolock(?:,|$)/.test(mount.options) && (local === undefined || local === 'none');
}

/** Shared in fact although libvirt takes them for local: there its clean-up is bug 822052. */
const UNKNOWN_SHARED = new Set([
  '9p', 'virtiofs', 'lustre', 'glusterfs', 'moosefs', 'orangefs', 'pvfs2', 'coda', 'pnfs', 'vboxsf', 'vmhgfs',
  'prl_fs', 'fuse', 'fuseblk', 'ibmgpfs', 'weka', 'wekafs', 'panfs', 'davfs',
]); // biome-ignore format: a table

/** A host, by what it says of its storage. */
type StorageHost = { readonly host: string; readonly facts: HostFacts };

export interface StorageOverrides {
  sharedPaths: readonly string[];
  localPaths: readonly string[];
}

/** @param overridden what the configuration says of it; null leaves it to the mount */
function storageOfMount(record: StorageHost, mount: Mount, overridden: boolean | null): Storage {
  const fsType = mount.fs_type;
  const known = LIBVIRT_SHARED.has(fsType);
  const shared = overridden ?? (known || UNKNOWN_SHARED.has(fsType) || fsType.startsWith('fuse.'));
  const declared = record.facts.qemuConf?.shared_filesystems ?? [];
  const key = shared ? sharedKey(mount) : `local:${record.host}:${mount.dev}`;
  return {
    key,
    pathSpace: key.startsWith('nfs:') ? key.slice(0, key.lastIndexOf(':/')) : key,
    fsType,
    shared,
    knownToLibvirt:
      known ||
      declared.some((path) => isWithin(mount.mount_point, path) || isWithin(path, mount.mount_point)),
    mount,
    locks: shared && locksBetweenHosts(mount),
  };
}

/** Given out by the kernel at the mount, as of NFS and 9p. */
function isAnonymous(dev: string): boolean {
  return dev.startsWith('0:');
}

function overrideFor(path: ByteText, overrides: StorageOverrides): boolean | null {
  const longest = (paths: readonly string[]) =>
    Math.max(-1, ...paths.filter((prefix) => isWithin(path, prefix)).map((prefix) => prefix.length));
  const [shared, local] = [longest(overrides.sharedPaths), longest(overrides.localPaths)];
  if (shared < 0 && local < 0) return null;
  return shared > local;
}

export function isWithin(path: string, directory: string): boolean {
  const prefix = directory.endsWith('/') ? directory : `${directory}/`;
  return path === directory || path.startsWith(prefix);
}

function sharedKey(mount: Mount): string {
  const family = mount.fs_type === 'nfs4' ? 'nfs' : mount.fs_type;
  if (family === 'nfs') {
    const colon = mount.source.lastIndexOf(':/');
    if (colon > 0) return `nfs:${serverName(mount.source.slice(0, colon))}${mount.source.slice(colon)}`;
  }
  if (family === 'ceph') return `ceph:${mount.source.slice(Math.max(0, mount.source.lastIndexOf(':')))}`;
  if (family === 'fuse.glusterfs' || family === 'glusterfs') {
    return `glusterfs:${mount.source.slice(mount.source.lastIndexOf(':') + 1).replace(/^\//, '')}`;
  }
  return `${family}:${mount.source}`;
}

/** `nfs1.example.org` and `nfs1` are one server in one cluster; addresses stay as they are. */
function serverName(name: string): string {
  return /^[\d.]+$|:/.test(name) ? name : (name.split('.')[0] as string).toLowerCase();
}

/** Root of a mount inside its storage: for NFS the exported path, so that two mounts of one server compare. */
function storageRoot(mount: Mount): string {
  const colon = mount.source.lastIndexOf(':/');
  const exported = mount.fs_type.startsWith('nfs') && colon > 0 ? mount.source.slice(colon + 1) : '';
  const root = mount.root === '/' ? '' : mount.root;
  return `${exported === '/' ? '' : exported}${root}`;
}

/** Reads mounts and exports of all hosts and says where a file lies. */
export class StorageMap {
  private readonly overrides: StorageOverrides;
  private readonly records: ReadonlyMap<string, StorageHost>;
  private readonly mountsOf = new Map<string, { mount: Mount; storage: Storage }[]>();

  constructor(records: ReadonlyMap<string, StorageHost>, overrides: StorageOverrides) {
    this.records = records;
    this.overrides = overrides;
    for (const record of records.values()) {
      const mounts = (record.facts.mounts ?? []).map((mount) => ({
        mount,
        storage: storageOfMount(record, mount, overrideFor(mount.mount_point, overrides)),
      }));
      mounts.sort((a, b) => b.mount.mount_point.length - a.mount.mount_point.length);
      this.mountsOf.set(record.host, mounts);
    }
  }

  /**
   * @param path absolute, or null when the record has no usable name
   * @param dev `major:minor` in decimal, or null
   */
  locate(host: string, path: ByteText | null, dev: string | null): StoredFile {
    const record = this.records.get(host);
    const mounts = this.mountsOf.get(host) ?? [];
    if (!record || record.facts.mounts === null)
      return path === null ? { storage: null, storagePath: null } : this.withoutMounts(host, path);
    const byPath = path === null ? undefined : mounts.find(({ mount }) => isWithin(path, mount.mount_point));
    const found =
      dev === null || byPath?.mount.dev === dev ? byPath : mounts.find(({ mount }) => mount.dev === dev);
    if (!found) return { storage: null, storagePath: null };
    const inside =
      path !== null && isWithin(path, found.mount.mount_point)
        ? `${storageRoot(found.mount)}${relativeTo(path, found.mount.mount_point)}`
        : null;
    const overridden = inside === null ? null : overrideFor(path as ByteText, this.overrides);
    const storage = asOverridden(record, found, overridden);
    return this.seenByServer(record, path, { storage, storagePath: inside });
  }

  /**
   * Storages that a file of this device can be in, when no name tells: exports of it, and parts of it that are shared
   * or not against what the mount says. Inode numbers are unique on a device, so they tell which file it is.
   */
  partsOf(host: string, dev: string): Storage[] {
    const record = this.records.get(host);
    if (!record) return [];
    const mounts = this.mountsOf.get(host) ?? [];
    const mountOf = (path: ByteText) => mounts.find((each) => isWithin(path, each.mount.mount_point));
    const exported = (record.facts.exports ?? []).flatMap(({ path }) => {
      const server = this.serverSpace(record, path);
      return mountOf(path)?.mount.dev === dev && server !== null ? [exportedStorage(server, path)] : [];
    });
    const { sharedPaths, localPaths } = this.overrides;
    const overridden = [...sharedPaths, ...localPaths].flatMap((path) => {
      const found = mountOf(path);
      if (found?.mount.dev !== dev) return [];
      const storage = asOverridden(record, found, overrideFor(path, this.overrides));
      return storage === found.storage ? [] : [storage];
    });
    return [...exported, ...overridden];
  }

  /**
   * Shared storages that a file can be in whose device is not the one that is mounted where it lies: file systems
   * without a disk of their own get another number at every mount, so the mounts on record may be of another boot.
   *
   * @param path absolute; null when the record has no usable name, and then any of them can be it
   */
  formerly(host: string, path: ByteText | null, dev: string): Storage[] {
    const mounts = this.mountsOf.get(host) ?? [];
    if (!isAnonymous(dev)) return [];
    const possible =
      path === null ? mounts : mounts.filter((each) => isWithin(path, each.mount.mount_point)).slice(0, 1);
    if (path === null ? mounts.some(({ mount }) => mount.dev === dev) : possible[0]?.mount.dev === dev)
      return [];
    return possible
      .filter(({ mount, storage }) => storage.shared && isAnonymous(mount.dev))
      .map(({ storage }) => storage);
  }

  knowsMounts(host: string): boolean {
    return (this.records.get(host)?.facts.mounts ?? null) !== null;
  }

  /** A file of the NFS server's own disk is, for its clients, a file of the export. */
  private seenByServer(record: StorageHost, path: ByteText | null, file: StoredFile): StoredFile {
    if (path === null || file.storage?.shared) return file;
    const exported = record.facts.exports?.find((e) => isWithin(path, e.path));
    if (!exported) return file;
    const server = this.serverSpace(record, exported.path);
    if (server === null) return file;
    return { storage: exportedStorage(server, exported.path), storagePath: path };
  }

  /** The name under which clients mount this server: its host name, else the only server with this export. */
  private serverSpace(record: StorageHost, exportedPath: ByteText): string | null {
    const names = [record.host, record.facts.hostName].map((name) => `nfs:${serverName(name ?? '')}`);
    const servers = new Set<string>();
    for (const mounts of this.mountsOf.values()) {
      for (const { mount, storage } of mounts) {
        if (storage.key.startsWith('nfs:') && isWithin(storageRoot(mount) || '/', exportedPath))
          servers.add(storage.pathSpace);
      }
    }
    const known = names.find((name) => servers.has(name));
    if (known !== undefined) return known;
    if (servers.size === 1) return [...servers][0] as string;
    // what is exported can be mounted by anybody, even if no mount of it is on record
    return servers.size === 0 ? (names[0] as string) : null;
  }

  /** What is configured tells whether other hosts see the file, and the name alone which file it is. */
  private withoutMounts(host: string, path: ByteText): StoredFile {
    const shared = overrideFor(path, this.overrides);
    if (shared === null) return { storage: null, storagePath: null };
    const storage: Storage = {
      key: shared ? `path:${path}` : `local:${host}:${path}`,
      pathSpace: shared ? 'path' : `local:${host}`,
      fsType: 'unknown',
      shared,
      knownToLibvirt: null,
      mount: null,
      locks: false,
    };
    return { storage, storagePath: path };
  }
}

/** An export, as its server's clients see it. */
function exportedStorage(server: string, path: ByteText): Storage {
  return {
    key: `${server}:${path}`,
    pathSpace: server,
    fsType: 'nfs',
    shared: true,
    knownToLibvirt: true,
    mount: null,
    locks: false,
  };
}

/** The storage of a mount for a part of it of which the configuration may say otherwise. */
function asOverridden(
  record: StorageHost,
  { mount, storage }: { mount: Mount; storage: Storage },
  overridden: boolean | null,
): Storage {
  if (overridden === null || overridden === storage.shared) return storage;
  return storageOfMount(record, mount, overridden);
}

function relativeTo(path: ByteText, directory: ByteText): string {
  const rest = directory === '/' ? path : path.slice(directory.length);
  return rest === '/' ? '' : rest;
}
