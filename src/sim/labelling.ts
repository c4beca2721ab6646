import type { Cause } from '../domain/verdict.js';
import { neededContext } from './ledger.js';
import { type Actor, daemonChild, relabel, setOtherAttribute } from './relabel.js';
import type { Activity } from './scheduler.js';
import { pause, type Stage } from './stage.js';
import {
  type Incarnation,
  isKnownShared,
  type SimDisk,
  type SimFile,
  UNUSED_CONTEXT,
  viewOf,
} from './world.js';

/** libvirt's two label transactions over the images of a guest: SetAllLabel and RestoreAllLabel. */

export interface LabelCauses {
  owner: Cause | null;
  context: Cause | null;
}

export const NO_BLAME: LabelCauses = { owner: null, context: null };

/** SELinux for the whole chain of every disk, then the owner of the whole chain, by one child. */
export function* setAllLabels(stage: Stage, incarnation: Incarnation, causes: LabelCauses): Activity {
  const { host, guest } = incarnation;
  const child = daemonChild(host, 'rpc-libvirtd');
  if (incarnation.process_context !== null) {
    for (const { disk, file } of imagesOf(guest.disks)) {
      setContext(stage, incarnation, disk, file, child, causes.context);
      yield pause(stage, 4, 20);
    }
  }
  for (const { file } of imagesOf(guest.disks)) {
    setOwner(stage, incarnation, file, child, causes.owner);
    yield pause(stage, 4, 20);
  }
}

/** Labels one image, as for a disk that is plugged in. */
export function setImageLabel(
  stage: Stage,
  incarnation: Incarnation,
  disk: SimDisk,
  file: SimFile,
  causes: LabelCauses = NO_BLAME,
): void {
  const child = daemonChild(incarnation.host, 'rpc-libvirtd');
  if (incarnation.process_context !== null) setContext(stage, incarnation, disk, file, child, causes.context);
  setOwner(stage, incarnation, file, child, causes.owner);
}

/**
 * Gives back what libvirt gives back: the active image of each disk that is neither read-only nor shareable.
 *
 * @param migrated libvirt's flag: spare what this host knows to be shared
 * @param thread comm of the worker: `rpc-libvirtd`, `prio-rpc-libvirtd`, `init-<guest>`
 */
export function* restoreAllLabels(
  stage: Stage,
  incarnation: Incarnation,
  migrated: boolean,
  thread: string,
  cause: Cause | null,
): Activity {
  for (const disk of incarnation.guest.disks) {
    const file = disk.chain[0] as SimFile;
    if (disk.read_only || disk.shareable) continue;
    if (migrated && isKnownShared(incarnation.host, file.storage)) continue;
    restoreImageLabel(stage, incarnation, file, thread, cause);
    yield pause(stage, 4, 30);
  }
}

export function restoreImageLabel(
  stage: Stage,
  incarnation: Incarnation,
  file: SimFile,
  thread: string,
  cause: Cause | null,
): void {
  const { host, window } = incarnation;
  const child = daemonChild(host, thread);
  if (incarnation.process_context !== null) {
    relabel(stage, host, {
      call: 'setxattr',
      file,
      asked: { uid: null, gid: null, context: UNUSED_CONTEXT },
      actor: child,
      cause,
      window,
    });
  }
  if (remembersOwner(file))
    for (let i = 0; i < 3; i++) setOtherAttribute(stage, host, file, child, 'removexattr', null);
  relabel(stage, host, {
    call: 'chown',
    file,
    asked: { uid: 0, gid: 0, context: null },
    actor: child,
    cause,
    window,
  });
}

/** No chown is issued when this host's, possibly stale, view already shows the right owner. */
function setOwner(
  stage: Stage,
  incarnation: Incarnation,
  file: SimFile,
  child: Actor,
  cause: Cause | null,
): void {
  const { host, needs, window } = incarnation;
  const seen = viewOf(host, file, stage.scheduler.now_us);
  if (remembersOwner(file)) {
    for (const size of [5, 10, 1]) setOtherAttribute(stage, host, file, child, 'setxattr', size);
  }
  if (seen.uid === needs.uid && seen.gid === needs.gid) return;
  const asked = { uid: needs.uid, gid: needs.gid, context: null };
  relabel(stage, host, { call: 'chown', file, asked, actor: child, cause, window });
}

function setContext(
  stage: Stage,
  incarnation: Incarnation,
  disk: SimDisk,
  file: SimFile,
  child: Actor,
  cause: Cause | null,
): void {
  const { host, needs, window } = incarnation;
  const use = disk.shareable ? 'shareable' : disk.read_only || disk.chain[0] !== file ? 'backing' : 'private';
  const asked = { uid: null, gid: null, context: neededContext(needs, use) };
  relabel(stage, host, { call: 'setxattr', file, asked, actor: child, cause, window });
}

/** trusted.* attributes exist on a host's own disks; NFS and 9p have none. */
function remembersOwner(file: SimFile): boolean {
  return file.storage.fs_type === 'ext4';
}

function imagesOf(disks: SimDisk[]): { disk: SimDisk; file: SimFile }[] {
  return disks.flatMap((disk) => disk.chain.map((file) => ({ disk, file })));
}

/** What every start leaves in the audit log beside the images: the guest's own key. */
export function labelPrivateFiles(stage: Stage, { host, domain_id, name }: Incarnation): void {
  const child = daemonChild(host, 'rpc-libvirtd');
  const key = privateFile(`/var/lib/libvirt/qemu/domain-${domain_id}-${name}`, 'master-key.aes');
  for (const size of [5, 10, 1]) setOtherAttribute(stage, host, key, child, 'setxattr', size);
}

/** A file that belongs to no guest's disks. */
function privateFile(directory: string, name: string): SimFile {
  return {
    name,
    storage: {
      name: directory,
      fs_type: 'ext4',
      source: '/dev/vda',
      mount_point: directory,
      server: null,
      labelled: false,
      attribute_cache_ms: 0,
    },
    inode: '19720',
    label: { uid: 0, gid: 0, mode: 0o100600, context: null },
  };
}
