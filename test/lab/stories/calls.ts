import type { LabGuest } from '../guest.js';
import { Lab } from '../lab.js';
import {
  type Caller,
  cwdRecord,
  pathRecord,
  proctitleRecord,
  type RecordText,
  relabelAvcRecords,
  type SeenFile,
  syscallRecord,
} from '../records.js';
import { admin, top } from '../steps.js';
import { type Scenario, type Stories, story, type Variant, withVm1 } from '../story.js';

/** Ways to give the image to root. @returns the records of the event */
type Way = (file: SeenFile, by: Caller) => RecordText[];

const event = (call: RecordText, file: SeenFile, by: Caller, cwd = '/root'): RecordText[] => [
  call,
  cwdRecord(cwd),
  pathRecord(file),
  proctitleRecord(by.exe),
];

const WAYS: Record<string, Way> = {
  'fchown on a descriptor': (file, by) =>
    event(syscallRecord('fchown', ['3', '0', '0', '7ffd'], 0, by, 1), { ...file, name: '' }, by),
  'chown through /proc/self/fd': (file, by) =>
    event(
      syscallRecord('chown', ['7ffe', '0', '0', '0'], 0, by, 1),
      { ...file, name: '/proc/self/fd/3' },
      by,
    ),
  'a name relative to the working directory': (file, by) => {
    const slash = file.name.lastIndexOf('/');
    const call = syscallRecord('fchownat', ['ffffffffffffff9c', '55d0', '0', '0'], 0, by, 1);
    return event(call, { ...file, name: `./${file.name.slice(slash + 1)}` }, by, file.name.slice(0, slash));
  },
  'a 32-bit program': (file, by) => {
    const [first, ...rest] = event(syscallRecord('chown', ['ffc3', '0', '0', '0'], 0, by, 1), file, by);
    const text = (first as RecordText).text.replace('arch=c000003e syscall=92', 'arch=40000003 syscall=212');
    return [{ ...(first as RecordText), text, enriched: '' }, ...rest];
  },
  'a 32-bit program by its 16-bit call': (file, by) => {
    const [first, ...rest] = event(syscallRecord('chown', ['ffc3', '0', 'ffff', '0'], 0, by, 1), file, by);
    const text = (first as RecordText).text.replace('arch=c000003e syscall=92', 'arch=40000003 syscall=182');
    return [{ ...(first as RecordText), text, enriched: '' }, ...rest];
  },
  'another architecture’s numbers': (file, by) => {
    const [first, ...rest] = event(
      syscallRecord('fchownat', ['ffffff9c', 'ffc3', '0', '0'], 0, by, 1),
      file,
      by,
    );
    const text = (first as RecordText).text.replace('arch=c000003e syscall=260', 'arch=c00000b7 syscall=54');
    return [{ ...(first as RecordText), text, enriched: '' }, ...rest];
  },
  'several keys in hex': (file, by) => {
    const [first, ...rest] = event(syscallRecord('chown', ['7f', '0', '0', '0'], 0, by, 1), file, by);
    const text = (first as RecordText).text.replace(/key=.*/, 'key=6C6162656C2D6461630176696D67');
    return [{ ...(first as RecordText), text }, ...rest];
  },
  'records without a working directory and a title': (file, by) => [
    syscallRecord('chown', ['7f', '0', '0', '0'], 0, by, 1),
    pathRecord(file),
  ],
};

/** A user of the image on hostb takes it away from the guest on hosta by this way. */
function taken(way: Way): (variant?: Variant) => Scenario {
  return (variant) => {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    // the inode is on record from an earlier attempt by name
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(3000);
    lab.migrate(vm1, 'hostb', 'hosta');
    lab.wait(3000);
    knownByName(lab, vm1);
    lab.calledBy('hostb', top(vm1), admin(lab, 'hostb'), way);
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['foreign-program'] };
  };
}

/** A call that changes nothing states name and inode of the image together. */
function knownByName(lab: Lab, guest: LabGuest): void {
  for (const host of ['hosta', 'hostb']) lab.chown(host, top(guest), 64055, { by: admin(lab, host) });
}

const CONTEXT = 'system_u:object_r:virt_image_t:s0';

/** SELinux labels set by other calls than setxattr on a name. */
const LABELLINGS: Record<string, Way> = {
  'setxattr through /proc/self/fd': (file, by) => [
    ...relabelAvcRecords(by, file, file.context ?? '', CONTEXT),
    ...event(
      syscallRecord('setxattr', ['7f', '7e', '7d', '22'], 0, by, 1),
      { ...file, name: '/proc/self/fd/5' },
      by,
    ),
  ],
  'setxattrat below a descriptor': (file, by) => [
    ...relabelAvcRecords(by, file, file.context ?? '', CONTEXT),
    ...event(
      syscallRecord('setxattrat', ['4', '7f', '100', '7e'], 0, by, 1),
      { ...file, name: file.name.slice(file.name.lastIndexOf('/') + 1) },
      by,
    ),
  ],
  'io_uring, of which only the policy tells': (file, by) => [
    ...relabelAvcRecords(by, file, file.context ?? '', CONTEXT),
    {
      type: 'URINGOP',
      text: `uring_op=42 success=yes exit=0 items=0 ppid=${by.ppid} pid=${by.pid} uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 subj=${by.subject} key=(null)`,
      enriched:
        'UID="root" GID="root" EUID="root" SUID="root" FSUID="root" EGID="root" SGID="root" FSGID="root"',
    },
  ],
};

function relabelled(way: Way): (variant?: Variant) => Scenario {
  return (variant) => {
    const lab = new Lab({ selinux: 'Enforcing' }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    knownByName(lab, vm1);
    lab.calledBy('hostb', top(vm1), admin(lab, 'hostb', '/usr/sbin/restorecon'), way, CONTEXT);
    lab.wait(9000);
    return { lab, causes: ['foreign-program'] };
  };
}

const POOL_PATHS = '/var/lib/libvirt/images/nfs';

const IMAGES = '/var/lib/libvirt/images';

/** A guest of which one image is known by its inode, and one by its name alone. */
function beforeWalk(lab: Lab) {
  const base = lab.file('base.raw', { mode: 0o100644 });
  const vm1 = lab.guest('vm1', [[lab.file('vm1.qcow2'), base]]);
  lab.wait(6000);
  knownByName(lab, vm1);
  return { vm1, base, by: admin(lab, 'hostb') };
}

/** Ways in which labels are changed. */
export const CALLS: Stories = {
  ...Object.fromEntries(
    Object.entries(WAYS).map(([what, way]) => [`the image is taken by ${what}`, taken(way)]),
  ),
  ...Object.fromEntries(
    Object.entries(LABELLINGS).map(([what, way]) => [`the image is relabelled by ${what}`, relabelled(way)]),
  ),

  'chown -R of the whole pool by a host that runs one of its guests': story({}, (lab) => {
    const base = lab.file('base.raw', { mode: 0o100644 });
    const vm1 = lab.guest('vm1', [[lab.file('vm1.qcow2'), base]]);
    const vm2 = lab.guest('vm2', [[lab.file('vm2.qcow2'), base]], 'hostb');
    const off = lab.guest('vm3', [[lab.file('vm3.qcow2')]], null, 'hostb');
    lab.wait(4000);
    for (const file of [top(vm1), base]) lab.chown('hosta', file, 64055, { by: admin(lab, 'hosta') });
    for (const file of [top(vm1), top(vm2), top(off), base])
      lab.chown('hostb', file, 0, { by: admin(lab, 'hostb'), below: POOL_PATHS });
    lab.ioErrors(vm1, 'hosta', 2);
    // that vm3 runs nowhere is in no record
    return { causes: ['foreign-program'], doubted: 1 };
  }),

  'chown -R of a backup that holds a file of the image’s name': story({}, (lab) => {
    lab.vm1();
    const copy = lab.file('backup/vm1.qcow2');
    lab.wait(4000);
    lab.chown('hostb', copy, 34, { by: admin(lab, 'hostb'), below: '/root' });
    lab.wait(4000);
    // the name alone does not tell the copy from the image
    return { doubted: 1 };
  }),

  'chown -R of a directory with an image that no other record names': story({}, (lab) => {
    const { vm1, base, by } = beforeWalk(lab);
    for (const file of [base, top(vm1)]) lab.chown('hostb', file, 0, { by, below: IMAGES });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.wait(6000);
    return { causes: ['foreign-program'] };
  }),

  'chown -R of that directory and of a backup below it': story({}, (lab) => {
    const { vm1, base, by } = beforeWalk(lab);
    const copy = lab.file('backup/base.raw');
    for (const file of [copy, base, top(vm1)]) lab.chown('hostb', file, 0, { by, below: IMAGES });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.wait(6000);
    // which of the two is the image is in no record
    return { causes: ['foreign-program'], unproved: 1, doubted: 1 };
  }),

  'ownership that libvirt leaves to admins (dynamic_ownership = 0)': withVm1(
    { leavesOwners: true },
    (lab, vm1) => {
      lab.migrate(vm1, 'hosta', 'hostb');
      lab.wait(4000);
      lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
      lab.ioErrors(vm1, 'hostb', 2);
      lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
      lab.wait(4000);
      lab.stop(vm1, 'hostb', 'shutdown');
      // without clocks, the call may have come after the end on the other host
      return { unproved: 1 };
    },
  ),
};
