import { sayIoError } from './records.js';
import type { Activity } from './scheduler.js';
import { pause, type Stage } from './stage.js';
import { labelOn, mayWrite, type SimFile, type SimGuest } from './world.js';

/** QEMU reports at most one failed write a second; after some the guest's own file system gives up. */
const REPORTS_MOST = 4;

/** A guest writes every half second and fails as long as its image is not its own. */
export function* writeAsGuest(stage: Stage, guest: SimGuest, isOver: () => boolean): Activity {
  let reports = 0;
  while (!isOver()) {
    yield pause(stage, 900, 1100);
    const { main } = guest;
    if (main === null || main.paused || !main.host.daemon_up) continue;
    const denied = guest.disks
      .filter(({ read_only }) => !read_only)
      .map(({ chain }) => chain[0] as SimFile)
      .find((file) => isDenied(guest, file));
    if (denied === undefined) reports = 0;
    else if (reports++ < REPORTS_MOST) sayIoError(stage, main, denied);
  }
}

/** NFS asks the server at every write; elsewhere an open file stays writable. */
function isDenied(guest: SimGuest, file: SimFile): boolean {
  if (file.storage.fs_type !== 'nfs4' || guest.main === null) return false;
  return !mayWrite(guest.main.needs, { ...file, label: labelOn(guest.main.host, file) });
}
