import type { Lab } from '../lab.js';
import { admin, disk, top } from '../steps.js';
import { type Stories, story, withVm1 } from '../story.js';
import type { LabOptions } from '../world.js';

/** A file system that libvirt knows to be shared, on one block device that has another name on each host. */
const CLUSTERED: LabOptions['storages'] = [
  {
    name: 'gfs2',
    fs_type: 'gfs2',
    source: '/dev/mapper/san-images',
    sourceOn: { hostb: '/dev/mapper/mpatha' },
  },
];
const CEPH: LabOptions['storages'] = [
  {
    name: 'ceph',
    fs_type: 'ceph',
    source: '10.77.0.31:6789,10.77.0.32:6789:/volumes/images',
    sourceOn: { hostb: '10.77.0.32:6789,10.77.0.31:6789:/volumes/images' },
  },
];
const TWO_SERVERS: LabOptions['storages'] = [
  { name: 'pool', fs_type: 'nfs4', source: 'nas1:/pool', sourceOn: { hostb: 'nas2:/vol/pool' } },
];
const TWO_NAMES: LabOptions['storages'] = [
  { name: 'pool', fs_type: 'nfs4', source: 'nas1:/pool', sourceOn: { hostb: '10.77.0.40:/pool' } },
];
const VIRTIOFS: LabOptions['storages'] = [{ name: 'vfs', fs_type: 'virtiofs', source: 'images' }];
const GLUSTER: LabOptions['storages'] = [
  { name: 'gv0', fs_type: 'fuse.glusterfs', source: 'gluster1:/gv0', sourceOn: { hostb: 'gluster2:gv0' } },
];

/** What the storage makes of the same events. */
export const STORAGES: Stories = {
  'a logical volume, migrated and migrated back': story({ hosts: { hostb: { uid: 0 } } }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vg0/vm1', { storage: 'dev', mode: 0o060660 })]]);
    lab.wait(4000);
    for (const [from, to] of [
      ['hosta', 'hostb'],
      ['hostb', 'hosta'],
    ] as const) {
      lab.migrate(vm1, from, to);
      lab.wait(4000);
    }
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(4000);
  }),

  'a cluster file system on multipath, labelled by a host of another user': story(
    { storages: CLUSTERED, hosts: { hostb: { uid: 0 } } },
    (lab) => {
      const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'gfs2' })]]);
      lab.wait(4000);
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 2);
      lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
      lab.wait(6000);
      return { causes: ['destination-config-mismatch'] };
    },
  ),

  'a cluster file system on multipath, taken by the other host’s admin': story(
    { storages: CLUSTERED },
    (lab) => {
      const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'gfs2' })]]);
      lab.wait(4000);
      lab.migrate(vm1, 'hosta', 'hostb');
      lab.wait(4000);
      lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
      lab.ioErrors(vm1, 'hostb', 2);
      return { causes: ['foreign-program'] };
    },
  ),

  'CephFS by two orders of its monitors, labelled by a host of another user': story(
    { storages: CEPH, hosts: { hostb: { uid: 0 } } },
    (lab) => {
      const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'ceph' })]]);
      lab.wait(4000);
      lab.migrate(vm1, 'hosta', 'hostb');
      lab.wait(6000);
      return { causes: ['destination-config-mismatch'] };
    },
  ),

  'virtiofs: a failed start gives the image back': story({ storages: VIRTIOFS }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'vfs' })]]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { causes: ['destination-cleanup-after-failure'] };
  }),

  'Gluster: a migration, and a failed one': story({ storages: GLUSTER }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'gv0' })]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.incomingFails(vm1, 'hostb', 'hosta');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    return { causes: ['foreign-program'] };
  }),

  'a kernel and NVRAM on NFS: the source gives the kernel back after the migration': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]], 'hosta', 'hosta', [
      { role: 'nvram', file: lab.file('vm1_VARS.fd') },
      { role: 'kernel', file: lab.file('vmlinuz', { mode: 0o100644 }) },
      { role: 'initrd', file: lab.file('initrd.img', { mode: 0o100644 }) },
    ]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { causes: ['source-cleanup-after-handover'] };
  }),

  'a kernel and NVRAM on NFS: the failed destination gives the kernel back': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]], 'hosta', 'hosta', [
      { role: 'nvram', file: lab.file('vm1_VARS.fd') },
      { role: 'kernel', file: lab.file('vmlinuz', { mode: 0o100644 }) },
    ]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { causes: ['destination-cleanup-after-failure'] };
  }),

  'a disk that libvirt leaves alone, migrated, and taken by an admin': story(
    { hosts: { hostb: { uid: 0 } } },
    (lab) => {
      const data = lab.file('data.raw', { uid: 64055, gid: 64055 });
      const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')], disk(data, { relabel: false })]);
      lab.wait(4000);
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 1);
      lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
      lab.wait(4000);
      lab.chown('hostb', data, 0, { by: admin(lab, 'hostb') });
      lab.ioErrors(vm1, 'hosta', 2);
      return { causes: ['destination-config-mismatch', 'foreign-program'] };
    },
  ),

  'device numbers of an earlier boot: labelled by name': withVm1(
    { hosts: { hostb: { uid: 0 } } },
    (lab, vm1) => {
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 2);
      remounted(lab, 'hostb');
      return { unproved: 2 };
    },
  ),

  'device numbers of an earlier boot: taken by chown -R': withVm1({}, (lab, vm1) => {
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.chown('hostb', top(vm1), 0, { by: admin(lab, 'hostb'), below: '/root' });
    lab.ioErrors(vm1, 'hosta', 2);
    remounted(lab, 'hostb');
    return { unproved: 1 };
  }),

  'copied to another file server that is mounted at the same path; the old file is cleared away': story(
    { storages: TWO_SERVERS },
    (lab) => {
      const old = lab.file('vm1.raw', { storage: 'pool' });
      const copy = lab.file('vm1.raw', { storage: 'pool' });
      const vm1 = lab.guest('vm1', [[old]]);
      lab.wait(4000);
      vm1.disks = [disk(copy)];
      lab.incoming(vm1, 'hostb');
      lab.copy(vm1, 'hosta');
      lab.host('hosta').virsh('vm1', 'block-job', `Block Copy for ${lab.pathOn('hosta', old)} ready`);
      lab.pauseForSwitchOver(vm1, 'hosta');
      lab.takeOver(vm1, 'hosta', 'hostb');
      lab.confirm(vm1, 'hosta', 'hostb');
      lab.wait(4000);
      lab.chown('hosta', old, 0, { by: admin(lab, 'hosta') });
      lab.wait(4000);
      return { doubted: 1 };
    },
  ),

  'one file server under two names: the inode tells': story({ storages: TWO_NAMES }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'pool' })]]);
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.chown('hostb', top(vm1), 0, { by: admin(lab, 'hostb') });
    lab.ioErrors(vm1, 'hosta', 2);
    return { causes: ['foreign-program'] };
  }),

  'one file server under two names: no inode tells': story({ storages: TWO_NAMES }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'pool' })]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    return { unproved: 1 };
  }),

  'a local disk beside the shared one, given back by each side': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')], [lab.file('scratch.raw', { storage: 'local' })]]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
  }),
};

/** Mounted once more before the mounts were looked at, so every device without a disk has another number. */
function remounted(lab: Lab, host: string): void {
  const { options } = lab.host(host);
  options.mounts = (options.mounts ?? []).map((mount) => ({
    ...mount,
    dev: mount.dev.replace(/\d+$/, (minor) => String(Number(minor) + 100)),
  }));
}
