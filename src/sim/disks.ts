import { NO_BLAME, restoreImageLabel, setImageLabel } from './labelling.js';
import { recordDisk, sayDomainEvent, sayLifecycle } from './records.js';
import type { Activity } from './scheduler.js';
import { pause, type Stage } from './stage.js';
import { fileNamed, type Incarnation, type SimDisk, type SimFile } from './world.js';

/** Changes to the disks of a running guest, by the host that runs it: all legitimate, all labelled. */

const HOTPLUGGED = 'vdz';

export function* plugDisk(stage: Stage, incarnation: Incarnation): Activity {
  const { guest, host, name } = incarnation;
  const model = guest.disks[0];
  if (model === undefined || guest.disks.some(({ target }) => target === HOTPLUGGED)) return;
  const storage = (model.chain[0] as SimFile).storage;
  const file = fileNamed(stage.world.files, storage, `${guest.uuid.slice(-4)}-extra.raw`);
  const disk: SimDisk = { target: HOTPLUGGED, chain: [file], read_only: false, shareable: false };
  guest.disks.push(disk);
  setImageLabel(stage, incarnation, disk, file, NO_BLAME);
  yield pause(stage, 100, 400);
  recordDisk(stage, incarnation, 'attach', null, file);
  sayDomainEvent(stage, host, name, 'device-added', 'virtio-disk25');
  sayLifecycle(stage, host, name, 'Defined', 'Updated');
}

export function* unplugDisk(stage: Stage, incarnation: Incarnation): Activity {
  const { guest, host, name } = incarnation;
  const disk = guest.disks.find(({ target }) => target === HOTPLUGGED);
  if (disk === undefined) return;
  const file = disk.chain[0] as SimFile;
  guest.disks.splice(guest.disks.indexOf(disk), 1);
  recordDisk(stage, incarnation, 'detach', file, null);
  restoreImageLabel(stage, incarnation, file, 'qemu-event', null);
  yield pause(stage, 20, 100);
  sayDomainEvent(stage, host, name, 'device-removed', 'virtio-disk25');
  sayLifecycle(stage, host, name, 'Defined', 'Updated');
}

/** A disk-only snapshot: the new overlay is labelled, the old image stays in the chain. */
export function* snapshotDisk(stage: Stage, incarnation: Incarnation): Activity {
  const { guest } = incarnation;
  const disk = guest.disks.find(({ read_only, shareable }) => !read_only && !shareable);
  const active = disk?.chain[0];
  if (disk === undefined || active === undefined) return;
  const overlays = stage.world.files.filter(({ name }) =>
    name.startsWith(`${guest.uuid.slice(-4)}.s`),
  ).length;
  const overlay = fileNamed(stage.world.files, active.storage, `${guest.uuid.slice(-4)}.s${overlays + 1}`);
  disk.chain.unshift(overlay);
  setImageLabel(stage, incarnation, disk, overlay);
  yield pause(stage, 800, 1600);
  recordDisk(stage, incarnation, 'snapshot', active, overlay);
}

/** `blockcommit --pivot`: the overlay is dropped and given back while the guest runs on what lies below. */
export function* commitDisk(stage: Stage, incarnation: Incarnation): Activity {
  const { guest, host, name } = incarnation;
  const disk = guest.disks.find(({ chain }) => /\.s\d+$/.test(chain[0]?.name ?? ''));
  if (disk === undefined || disk.chain.length < 2) return;
  sayDomainEvent(stage, host, name, 'block-job-2', `Active Block Commit for ${disk.target} ready`);
  yield pause(stage, 300, 900);
  const dropped = disk.chain.shift() as SimFile;
  restoreImageLabel(stage, incarnation, dropped, 'rpc-libvirtd', null);
  yield pause(stage, 20, 80);
  sayDomainEvent(stage, host, name, 'block-job-2', `Active Block Commit for ${disk.target} completed`);
}
