import { Lab, type LabOptions } from './lab.js';
import type { Scenario, Variant } from './scenarios.js';
import { admin, disk, top } from './steps.js';

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
const VIRTIOFS: LabOptions['storages'] = [{ name: 'vfs', fs_type: 'virtiofs', source: 'images' }];
const GLUSTER: LabOptions['storages'] = [
  { name: 'gv0', fs_type: 'fuse.glusterfs', source: 'gluster1:/gv0', sourceOn: { hostb: 'gluster2:gv0' } },
];

/** What the storage makes of the same events. */
export const STORAGE_SCENARIOS: Record<string, (variant?: Variant) => Scenario> = {
  'a logical volume, migrated and migrated back'(variant) {
    const lab = new Lab({ hosts: { hostb: { uid: 0 } } }, variant);
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
    return { lab };
  },

  'a cluster file system on multipath, labelled by a host of another user'(variant) {
    const lab = new Lab({ storages: CLUSTERED, hosts: { hostb: { uid: 0 } } }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'gfs2' })]]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.wait(6000);
    return { lab, causes: ['destination-config-mismatch'] };
  },

  'a cluster file system on multipath, taken by the other host’s admin'(variant) {
    const lab = new Lab({ storages: CLUSTERED }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'gfs2' })]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    return { lab, causes: ['foreign-program'] };
  },

  'CephFS by two orders of its monitors, labelled by a host of another user'(variant) {
    const lab = new Lab({ storages: CEPH, hosts: { hostb: { uid: 0 } } }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'ceph' })]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { lab, causes: ['destination-config-mismatch'] };
  },

  'virtiofs: a failed start gives the image back'(variant) {
    const lab = new Lab({ storages: VIRTIOFS }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'vfs' })]]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { lab, causes: ['destination-cleanup-after-failure'] };
  },

  'Gluster: a migration, and a failed one'(variant) {
    const lab = new Lab({ storages: GLUSTER }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'gv0' })]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.incomingFails(vm1, 'hostb', 'hosta');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    return { lab, causes: ['foreign-program'] };
  },

  'a kernel and NVRAM on NFS: the source gives the kernel back after the migration'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]], 'hosta', 'hosta', [
      { role: 'nvram', file: lab.file('vm1_VARS.fd') },
      { role: 'kernel', file: lab.file('vmlinuz', { mode: 0o100644 }) },
      { role: 'initrd', file: lab.file('initrd.img', { mode: 0o100644 }) },
    ]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { lab, causes: ['source-cleanup-after-handover'] };
  },

  'a kernel and NVRAM on NFS: the failed destination gives the kernel back'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]], 'hosta', 'hosta', [
      { role: 'nvram', file: lab.file('vm1_VARS.fd') },
      { role: 'kernel', file: lab.file('vmlinuz', { mode: 0o100644 }) },
    ]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { lab, causes: ['destination-cleanup-after-failure'] };
  },

  'a disk that libvirt leaves alone, migrated, and taken by an admin'(variant) {
    const lab = new Lab({ hosts: { hostb: { uid: 0 } } }, variant);
    const data = lab.file('data.raw', { uid: 64055, gid: 64055 });
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')], disk(data, { relabel: false })]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 1);
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.wait(4000);
    lab.chown('hostb', data, 0, { by: admin(lab, 'hostb') });
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['destination-config-mismatch', 'foreign-program'] };
  },

  'a local disk beside the shared one, given back by each side'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')], [lab.file('scratch.raw', { storage: 'local' })]]);
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    return { lab };
  },
};
