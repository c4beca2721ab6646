import { lowerBound } from './entry.js';
import { usablePath } from './file-keys.js';
import { covers } from './host-record.js';
import type { ImageCall } from './image-call.js';
import type { Incarnation } from './incarnation.js';
import type { Storage, StorageMap, StoredFile } from './storage.js';
import { WALK_US } from './walks.js';

/**
 * Hosts often mount the storage of different file servers at one path, so that one path can be two files. Mounts name
 * what is mounted: where those of the caller and of every owner name different places of NFS, and no inode is the same,
 * it is another file, or one server under two names.
 */
export function mayBeAnotherFile(
  call: ImageCall,
  guest: string,
  owners: readonly Incarnation[],
  storages: StorageMap,
  callsOnFile: readonly ImageCall[],
): boolean {
  const { storage, record, event } = call;
  if (!isNfs(storage)) return false;
  const { storagePath } = storages.locate(record.host, usablePath(event), event.body.dev);
  const isSame = (place: StoredFile) =>
    place.storage?.key === storage.key || isSamePlace(place, { storage, storagePath });
  const places = owners.map((owner) =>
    call.file.uses
      .filter((use) => use.guest === guest && use.host === owner.host)
      .map((use) => storages.locate(use.host, use.path, null)),
  );
  const areOthers = places.every(
    (of) => of.length > 0 && of.every((each) => isNfs(each.storage) && !isSame(each)),
  );
  if (owners.length === 0 || !areOthers) return false;
  const keys = new Set(places.flat().map((each) => each.storage?.key));
  return !callsOnFile.some(
    (other) => keys.has(other.storage?.key) && other.event.body.inode === event.body.inode,
  );
}

/**
 * The name is that of another guest's image, and only the inode is this guest's: a file server gives the number of a
 * deleted file to the next one, and no record tells when. Two mounts of one storage give one image two names.
 */
export function isNamedAsAnothers(
  { event, file, record }: ImageCall,
  guest: string,
  storages: StorageMap,
): boolean {
  const named = file.uses.filter((use) => use.path === event.body.path);
  if (named.length === 0 || named.some((use) => use.guest === guest)) return false;
  const here = storages.locate(record.host, usablePath(event), event.body.dev);
  return !file.uses.some(
    (use) => use.guest === guest && isSamePlace(storages.locate(use.host, use.path, null), here),
  );
}

function isSamePlace(a: StoredFile, b: StoredFile): boolean {
  if (a.storage === null || a.storagePath === null) return false;
  return a.storage.pathSpace === b.storage?.pathSpace && a.storagePath === b.storagePath;
}

/**
 * A file that was named without its directory may be a copy of the image that lies in another. Where the process went
 * through the image's directory it was the image, if no call that it made around then is missing.
 */
export function mayBeCopy({ match, record, position }: ImageCall): boolean {
  if (match !== 'walk') return match === 'name';
  const { times } = record;
  const at_us = times[position] as number;
  if (record.began_us > at_us - WALK_US) return true;
  const from = lowerBound(times, (each) => each < at_us - WALK_US);
  return !covers(
    record,
    'audit',
    from - 1,
    lowerBound(times, (each) => each <= at_us + WALK_US),
  );
}

function isNfs(storage: Storage | null): storage is Storage {
  return storage?.key.startsWith('nfs:') === true;
}
