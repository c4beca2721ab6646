import type { LabFile, LabGuest } from './guest.js';
import type { LabHost } from './host.js';
import { Lab } from './lab.js';
import { cwdRecord, diskRecord, pathRecord, proctitleRecord, syscallRecord } from './records.js';
import type { Scenario, Variant } from './scenarios.js';

const IMAGES = '/var/lib/libvirt/images';
const top = (guest: LabGuest) => guest.disks[0]?.chain[0] as LabFile;
const chown = '/usr/bin/chown';

/** What other fleets have and the lab had not, each with its truth. */
export const VARIATIONS: Record<string, (variant?: Variant) => Scenario> = {
  'an admin’s chown on the owner, and on the other host'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: lab.host('hosta').command(chown) });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hosta', top(vm1), 64055, { by: lab.host('hosta').command(chown) });
    lab.wait(9000);
    lab.chown('hostb', top(vm1), 0, { by: lab.host('hostb').command(chown) });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hostb', top(vm1), 64055, { by: lab.host('hostb').command(chown) });
    lab.wait(9000);
    return { lab, causes: ['foreign-program'] };
  },

  'a backup agent on the other host takes the file and gives it back'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.chown('hostb', top(vm1), 34, { by: lab.host('hostb').command('/usr/sbin/backup-agent') });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hostb', top(vm1), 64055, { by: lab.host('hostb').command('/usr/sbin/backup-agent') });
    lab.wait(9000);
    return { lab, causes: ['foreign-program'] };
  },

  'restorecon on the other host'(variant) {
    const lab = new Lab({ selinux: 'Enforcing' }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.setfilecon('hostb', top(vm1), 'system_u:object_r:virt_image_t:s0', {
      by: lab.host('hostb').command('/usr/sbin/restorecon'),
    });
    lab.wait(9000);
    return { lab, causes: ['foreign-program'] };
  },

  'restorecon on the owner'(variant) {
    const lab = new Lab({ selinux: 'Enforcing' }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.setfilecon('hosta', top(vm1), 'system_u:object_r:virt_image_t:s0', {
      by: lab.host('hosta').command('/usr/sbin/restorecon'),
    });
    lab.wait(9000);
    return { lab };
  },

  'the same setting root on both hosts'(variant) {
    const lab = new Lab({ hosts: { hosta: { uid: 0 }, hostb: { uid: 0 } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.incomingFails(vm1, 'hostb', 'hosta');
    lab.wait(4000);
    lab.stop(vm1, 'hostb', 'destroyed');
    return { lab };
  },

  'started and stopped here, then there'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1(null);
    for (const host of ['hosta', 'hostb', 'hosta']) {
      lab.wait(6000);
      lab.boot(vm1, host);
      vm1.definedOn.add(host);
      lab.wait(6000);
      lab.stop(vm1, host, 'destroyed', 'prio-rpc-libvirtd');
    }
    return { lab };
  },

  'started and stopped on 9p, here, then there'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]], null);
    for (const host of ['hosta', 'hostb']) {
      lab.wait(6000);
      lab.boot(vm1, host);
      vm1.definedOn.add(host);
      lab.wait(6000);
      lab.stop(vm1, host, 'destroyed', 'prio-rpc-libvirtd');
    }
    // nothing orders the end here against the start there
    return { lab, doubted: 2 };
  },

  'two guests swap their names'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('one.raw')]]);
    const vm2 = lab.guest('vm2', [[lab.file('two.raw')]]);
    lab.wait(4000);
    lab.stop(vm1, 'hosta', 'shutdown');
    lab.stop(vm2, 'hosta', 'shutdown');
    [vm1.name, vm2.name] = [vm2.name, vm1.name];
    lab.wait(4000);
    lab.boot(vm1, 'hosta');
    lab.boot(vm2, 'hosta');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: lab.host('hosta').command(chown) });
    lab.chown('hosta', top(vm2), 0, { by: lab.host('hosta').command(chown) });
    lab.ioErrors(vm1, 'hostb', 2);
    return { lab, causes: ['foreign-program'] };
  },

  'migrated under another name'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    const from = { ...vm1, name: 'vm1' };
    vm1.name = 'vm1-new';
    lab.incoming(vm1, 'hostb');
    lab.copy(from, 'hosta');
    lab.pauseForSwitchOver(from, 'hosta');
    lab.takeOver(vm1, 'hosta', 'hostb');
    lab.confirm(from, 'hosta', 'hostb');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: lab.host('hosta').command(chown) });
    lab.ioErrors(vm1, 'hostb', 2);
    return { lab, causes: ['foreign-program'] };
  },

  'a failed start of another guest on the same base image, after a failed migration'(variant) {
    const lab = new Lab({}, variant);
    const base = lab.file('base.raw', { mode: 0o100644 });
    const vm1 = lab.guest('vm1', [[lab.file('vm1.qcow2'), base]]);
    const vm2 = lab.guest('vm2', [[lab.file('vm2.qcow2'), base]], null, 'hostb');
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(5000);
    lab.boot(vm2, 'hostb');
    lab.wait(5000);
    lab.stop(vm2, 'hostb', 'destroyed');
    return { lab };
  },

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
    hostb.chown(other, 0, 0, hostb.command(chown));
    lab.wait(4000);
    lab.chown('hostb', top(vm1), 0, { by: hostb.command(chown) });
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
      machine.command(chown),
    );
    lab.calls.push({ host: 'hostb', serial, violation: true, owner: 'hosta' });
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['foreign-program'] };
  },

  'restart of the destination’s daemon in mid-copy, and the migration again'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hostb').daemonGone('stopped');
    vm1.processOn.delete('hostb');
    lab.wait(80);
    lab.host('hosta').migration('vm1', 'failed');
    lab.wait(900);
    lab.host('hostb').daemonBack();
    lab.wait(3000);
    lab.restore(vm1, 'hostb', false, 'init-vm1');
    lab.migrations.push('hosta -> hostb: failed');
    lab.host('hostb').connected = true;
    lab.ioErrors(vm1, 'hosta', 3);
    lab.chown('hosta', top(vm1), 64055, { by: lab.host('hosta').command(chown) });
    lab.wait(6000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    lab.stop(vm1, 'hostb', 'destroyed');
    return { lab, causes: ['destination-cleanup-after-failure'] };
  },

  'restart of the owner’s daemon, then an attempt that fails after the labels'(variant) {
    const lab = new Lab({ hosts: { hostb: { uid: 0 } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    lab.host('hosta').daemonGone('stopped');
    lab.wait(900);
    lab.host('hosta').daemonBack();
    lab.wait(2000);
    lab.host('hosta').connected = true;
    for (const file of vm1.disks[0]?.chain ?? [])
      lab.chown('hosta', file, 64055, { by: lab.host('hosta').command(chown) });
    lab.wait(6000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['destination-config-mismatch'] };
  },

  'a label change whose AVC pair was lost'(variant) {
    const lab = new Lab({ selinux: 'Permissive', hosts: { hostb: { uid: 0, lost: 176504 } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    const hostb = lab.host('hostb');
    const setfilecon = hostb.setfilecon.bind(hostb);
    hostb.setfilecon = (file, context, caller, exit) => setfilecon(file, context, caller, exit, false);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['destination-config-mismatch', 'destination-own-categories'] };
  },

  'chowns of which only the SYSCALL record is left'(variant) {
    const lab = new Lab({ hosts: { hostb: { uid: 0, lost: 20011 } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    const hostb = lab.host('hostb');
    const chowns = hostb.chown.bind(hostb);
    hostb.chown = (file, uid, gid, caller, exit) => {
      if (file.name.endsWith('base.raw')) return chowns(file, uid, gid, caller, exit);
      return hostb.audit([
        syscallRecord(
          'chown',
          ['7f9578029cc0', uid.toString(16), gid.toString(16), '0'],
          exit ?? 0,
          caller,
          1,
        ),
      ]);
    };
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['destination-config-mismatch'], unproved: 1, untold: 1 };
  },

  'chowns of which the SYSCALL record is lost'(variant) {
    const lab = new Lab({ hosts: { hostb: { uid: 0, lost: 20011 } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    const hostb = lab.host('hostb');
    hostb.chown = (file, _uid, _gid, caller) =>
      hostb.audit([cwdRecord('/'), pathRecord(file), proctitleRecord(caller.exe)]);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, unproved: 2, untold: 2 };
  },

  'a read-only cdrom and a shareable disk of two guests'(variant) {
    const lab = new Lab({ selinux: 'Permissive' }, variant);
    const iso = { chain: [lab.file('install.iso', { mode: 0o100644 })], shareable: false, read_only: true };
    const both = { chain: [lab.file('shared.raw')], shareable: true, read_only: false };
    const g1 = lab.guest('g1', [[lab.file('g1.raw')], iso, both], null, 'hosta');
    const g2 = lab.guest('g2', [[lab.file('g2.raw')], iso, both], null, 'hostb');
    lab.wait(4000);
    lab.boot(g1, 'hosta');
    lab.wait(4000);
    lab.boot(g2, 'hostb');
    lab.wait(4000);
    lab.stop(g2, 'hostb', 'destroyed');
    lab.wait(4000);
    lab.boot(g2, 'hostb');
    lab.wait(4000);
    lab.migrate(g1, 'hosta', 'hostb');
    return { lab, causes: ['destination-own-categories'] };
  },

  'snapshots on the owner, and a commit after the migration'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    snapshot(lab, vm1, 'hosta', 'vm1.s1');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    commit(lab, vm1, 'hostb');
    lab.wait(4000);
    lab.stop(vm1, 'hostb', 'destroyed');
    return { lab };
  },

  'a snapshot, a migration that fails, and a commit'(variant) {
    const lab = new Lab({ hosts: { hostb: { uid: 0 } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    snapshot(lab, vm1, 'hosta', 'vm1.s1');
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    for (const file of vm1.disks[0]?.chain ?? [])
      lab.chown('hosta', file, 64055, { by: lab.host('hosta').command(chown) });
    lab.wait(4000);
    commit(lab, vm1, 'hosta');
    lab.wait(4000);
    return { lab, causes: ['destination-config-mismatch'] };
  },

  'another guest of the other host takes the image'(variant) {
    const lab = new Lab({ hosts: { hostb: { uid: 0 } } }, variant);
    const image = lab.file('vm1.raw');
    const vm1 = lab.guest('vm1', [[image]]);
    const rescue = lab.guest('rescue', [[image]], null, 'hostb');
    lab.wait(4000);
    lab.boot(rescue, 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['foreign-host'] };
  },
};

function snapshot(lab: Lab, guest: LabGuest, host: string, name: string): void {
  const machine = lab.host(host);
  const disk = guest.disks[0] as LabGuest['disks'][0];
  const overlay = lab.file(name);
  const former = top(guest);
  disk.chain.unshift(overlay);
  lab.chown(host, overlay, 64055);
  lab.wait(200);
  machine.audit([
    diskRecord('snapshot', guest, lab.pathOn(host, former), lab.pathOn(host, overlay), machine.daemon),
  ]);
}

function commit(lab: Lab, guest: LabGuest, host: string): void {
  const machine: LabHost = lab.host(host);
  const disk = guest.disks[0] as LabGuest['disks'][0];
  const [overlay] = disk.chain;
  machine.virsh(
    guest.name,
    'block-job',
    `Active Block Commit for ${lab.pathOn(host, overlay as LabFile)} ready`,
  );
  machine.virsh(guest.name, 'block-job-2', 'Active Block Commit for vda ready');
  lab.wait(500);
  lab.chown(host, overlay as LabFile, 0);
  disk.chain.shift();
  lab.wait(50);
  machine.virsh(guest.name, 'block-job', `Active Block Commit for ${lab.pathOn(host, top(guest))} completed`);
  machine.virsh(guest.name, 'block-job-2', 'Active Block Commit for vda completed');
}
