import { Lab } from '../lab.js';
import { IMAGES } from '../mounts.js';
import { admin, CHOWN, top } from '../steps.js';
import { type Stories, story, withVm1 } from '../story.js';

/** Programs and guests that have nothing to do with the guest whose image they label. */
export const FOREIGN: Stories = {
  'the file server’s own chown, and its repair': withVm1({}, (lab, vm1) => {
    lab.chown('nfs1', top(vm1), 0, { by: admin(lab, 'nfs1') });
    lab.ioErrors(vm1, 'hosta', 3);
    lab.chown('nfs1', top(vm1), 64055, {
      by: admin(lab, 'nfs1'),
    });
    lab.wait(4000);
    return { causes: ['foreign-program'] };
  }),

  'the file server’s chown -R': withVm1({}, (lab, vm1) => {
    for (const file of vm1.disks[0]?.chain ?? [])
      lab.chown('nfs1', file, 0, { by: admin(lab, 'nfs1'), below: '/srv' });
    lab.ioErrors(vm1, 'hosta', 3);
    // the server's disk may hold another file of that name: no record ties the image to its inode
    return { unproved: 2 };
  }),

  'an admin’s chown on the owner, and on the other host': withVm1({}, (lab, vm1) => {
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.wait(9000);
    lab.chown('hostb', top(vm1), 0, { by: admin(lab, 'hostb') });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hostb', top(vm1), 64055, { by: admin(lab, 'hostb') });
    lab.wait(9000);
    return { causes: ['foreign-program'] };
  }),

  'a backup agent on the other host takes the file and gives it back': withVm1({}, (lab, vm1) => {
    lab.chown('hostb', top(vm1), 34, { by: admin(lab, 'hostb', '/usr/sbin/backup-agent') });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hostb', top(vm1), 64055, { by: admin(lab, 'hostb', '/usr/sbin/backup-agent') });
    lab.wait(9000);
    return { causes: ['foreign-program'] };
  }),

  'restorecon on the other host': withVm1({ selinux: 'Enforcing' }, (lab, vm1) => {
    lab.setfilecon('hostb', top(vm1), 'system_u:object_r:virt_image_t:s0', {
      by: admin(lab, 'hostb', '/usr/sbin/restorecon'),
    });
    lab.wait(9000);
    return { causes: ['foreign-program'] };
  }),

  'restorecon on the owner': withVm1({ selinux: 'Enforcing' }, (lab, vm1) => {
    lab.setfilecon('hosta', top(vm1), 'system_u:object_r:virt_image_t:s0', {
      by: admin(lab, 'hosta', '/usr/sbin/restorecon'),
    });
    lab.wait(9000);
  }),

  'two exports with equal inode numbers'(variant) {
    const mounts = (dev: number) => [
      { mount_point: `${IMAGES}/nfs`, source: 'nfs1:/srv/images', fs_type: 'nfs4', dev: `0:${dev}` },
      { mount_point: `${IMAGES}/squash`, source: 'nfs1:/srv/squash', fs_type: 'nfs4', dev: `0:${dev + 1}` },
    ];
    const lab = new Lab({ hosts: { hosta: { mounts: mounts(43) }, hostb: { mounts: mounts(44) } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    const hostb = lab.host('hostb');
    const other = { ...lab.seen('hostb', top(vm1)), name: `${IMAGES}/squash/other.raw`, dev: '0:45' };
    hostb.chown(other, 0, 0, hostb.command(CHOWN));
    lab.wait(4000);
    lab.chown('hostb', top(vm1), 0, { by: hostb.command(CHOWN) });
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['foreign-program'] };
  },

  'the storage bind-mounted elsewhere on the other host'(variant) {
    const hostb = [
      { mount_point: `${IMAGES}/nfs`, source: 'nfs1.example.org:/srv/images', fs_type: 'nfs4', dev: '0:49' },
      { mount_point: '/mnt/pool', source: 'nfs1.example.org:/srv/images', fs_type: 'nfs4', dev: '0:49' },
    ];
    const lab = new Lab({ hosts: { hostb: { mounts: hostb } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    const machine = lab.host('hostb');
    const serial = machine.chown(
      lab.seen('hostb', top(vm1), { name: '/mnt/pool/vm1.qcow2' }),
      0,
      0,
      machine.command(CHOWN),
    );
    lab.calls.push({ host: 'hostb', serial, violation: true, owner: 'hosta' });
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['foreign-program'] };
  },

  'another guest of the other host takes the image': story({ hosts: { hostb: { uid: 0 } } }, (lab) => {
    const image = lab.file('vm1.raw');
    const vm1 = lab.guest('vm1', [[image]]);
    const rescue = lab.guest('rescue', [[image]], null, 'hostb');
    lab.wait(4000);
    lab.boot(rescue, 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    return { causes: ['foreign-host'] };
  }),
};
