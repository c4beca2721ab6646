import { neededContext } from './ledger.js';
import type { ForeignAct } from './plan.js';
import { type Actor, type RelabelAct, relabel, setOtherAttribute } from './relabel.js';
import type { Activity } from './scheduler.js';
import { pause, type Stage } from './stage.js';
import { labelOn, type SimFile, type SimGuest, type SimHost, UNUSED_CONTEXT } from './world.js';

/** Programs other than libvirt that touch images: administrators, restorecon, backup agents. */

const BACKUP_UID = 34;

export function* actAsForeigner(stage: Stage, act: ForeignAct, guest: SimGuest, host: SimHost): Activity {
  const files = guest.disks.filter(({ read_only }) => !read_only).flatMap(({ chain }) => chain);
  const [active] = files;
  if (active === undefined) return;
  switch (act) {
    case 'chown':
      chown(stage, host, active, 0, 0, program(host, 'chown', 'chown root:root'));
      return;
    case 'chown-recursive':
      return yield* chownDirectory(stage, host, files);
    case 'restorecon':
      return yield* restoreContexts(stage, host, files);
    case 'backup':
      return yield* backUp(stage, host, active);
    case 'user-xattr':
      setOtherAttribute(stage, host, active, program(host, 'setfattr', 'setfattr -n user.x'), 'setxattr', 4);
      return;
    case 'repair':
      return yield* repair(stage, guest, host, files);
  }
}

function program(host: SimHost, name: string, command_line: string): Actor {
  return {
    pid: host.next_pid++,
    ppid: 446,
    auid: 0,
    comm: name,
    exe: name === 'restorecon' ? '/usr/sbin/setfiles' : `/usr/bin/${name}`,
    command_line,
    subject: host.plan.selinux === 'disabled' ? 'unconfined' : 'unconfined_u:unconfined_r:unconfined_t:s0',
    cwd: '/root',
  };
}

function chown(
  stage: Stage,
  host: SimHost,
  file: SimFile,
  uid: number,
  gid: number,
  actor: Actor,
  named?: RelabelAct['named'],
): void {
  const asked = { uid, gid, context: null };
  const act: RelabelAct = { call: 'fchownat', file, asked, actor, cause: 'foreign-program' };
  relabel(stage, host, named === undefined ? act : { ...act, named });
}

/** Names relative to a descriptor that no record explains: only device and inode tell the file. */
function* chownDirectory(stage: Stage, host: SimHost, files: SimFile[]): Activity {
  const actor = program(host, 'chown', 'chown -R root:root .');
  for (const file of files) {
    chown(stage, host, file, 0, 0, actor, { name: file.name, quality: 'relative-to-unknown-dirfd' });
    yield pause(stage, 1, 8);
  }
}

function* restoreContexts(stage: Stage, host: SimHost, files: SimFile[]): Activity {
  if (host.plan.selinux === 'disabled') return;
  const actor = program(host, 'restorecon', 'restorecon -RF .');
  for (const file of files) {
    const asked = { uid: null, gid: null, context: UNUSED_CONTEXT };
    relabel(stage, host, { call: 'setxattr', file, asked, actor, cause: 'foreign-program' });
    yield pause(stage, 1, 8);
  }
}

function* backUp(stage: Stage, host: SimHost, file: SimFile): Activity {
  const { uid, gid } = labelOn(host, file);
  const actor = program(host, 'backup', 'backup --all');
  chown(stage, host, file, BACKUP_UID, BACKUP_UID, actor);
  yield pause(stage, 1000, 8000);
  chown(stage, host, file, uid, gid, actor);
}

/** Back to what the guest's QEMU needs where it runs now; from any host. */
function* repair(stage: Stage, guest: SimGuest, host: SimHost, files: SimFile[]): Activity {
  if (guest.main === null) return;
  const { needs } = guest.main;
  const actor = program(host, 'chown', 'chown libvirt-qemu:libvirt-qemu');
  for (const [depth, file] of files.entries()) {
    chown(stage, host, file, needs.uid, needs.gid, actor);
    yield pause(stage, 1, 40);
    const context = depth === 0 ? neededContext(needs, 'private') : null;
    if (context === null || host.plan.selinux === 'disabled' || guest.disks[0]?.shareable) continue;
    relabel(stage, host, {
      call: 'setxattr',
      file,
      asked: { uid: null, gid: null, context },
      actor: program(host, 'chcon', 'chcon'),
      cause: 'foreign-program',
    });
  }
}
