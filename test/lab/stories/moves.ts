import type { LabFile, LabGuest } from '../guest.js';
import type { LabHost } from '../host.js';
import type { Lab } from '../lab.js';
import { diskRecord } from '../records.js';
import { admin, disk, top } from '../steps.js';
import { ROOT, type Stories, story, withVm1 } from '../story.js';

/** Guests that start, move, stop and change without anybody else’s doing. */
export const MOVES: Stories = {
  'an inode number given to another guest’s image, and the first guest made anew': story({}, (lab) => {
    const first = lab.file('vm1.raw');
    const vm1 = lab.guest('vm1', [[first]], null, 'hosta');
    lab.wait(4000);
    lab.boot(vm1, 'hosta');
    lab.wait(4000);
    lab.stop(vm1, 'hosta', 'destroyed');
    lab.wait(4000);
    // the file server gives the number of a deleted file to the next one
    const vm2 = lab.guest('vm2', [[lab.file('vm2.raw', { inode: first.inode })]], null, 'hostb');
    vm1.disks = [disk(lab.file('vm1.raw'))];
    lab.boot(vm1, 'hosta');
    lab.boot(vm2, 'hostb');
    lab.wait(4000);
    lab.stop(vm2, 'hostb', 'destroyed');
    lab.wait(4000);
    // two images of two guests have one inode: which of them had it when is in no record
    return { doubted: 2 };
  }),

  'an inode number given to another guest’s image, while the first guest goes on': withVm1({}, (lab, vm1) => {
    snapshot(lab, vm1, 'hosta', 'vm1.s1');
    const { inode } = top(vm1);
    lab.wait(4000);
    commit(lab, vm1, 'hosta');
    lab.wait(4000);
    const vm2 = lab.guest('vm2', [[lab.file('vm2.raw', { inode })]], null, 'hostb');
    lab.boot(vm2, 'hostb');
    lab.wait(4000);
    lab.stop(vm2, 'hostb', 'destroyed');
    lab.wait(4000);
    return { doubted: 2 };
  }),

  'ping-pong with a mismatched host, raw': story({ hosts: { hostb: ROOT } }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(3000);
    lab.migrate(vm1, 'hostb', 'hosta');
    lab.wait(3000);
    lab.migrate(vm1, 'hosta', 'hostb');
    return { causes: ['destination-config-mismatch', 'destination-config-mismatch'] };
  }),

  'p9 aborted after the start of the destination': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'cancelled');
    lab.abandon(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    return { causes: ['destination-cleanup-after-failure'] };
  }),

  'paused, migrated, resumed, migrated back': withVm1({}, (lab, vm1) => {
    lab.host('hosta').monitor('vm1', 'STOP');
    lab.host('hosta').lifecycle('vm1', 'Suspended Paused');
    lab.wait(3000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'completed');
    lab.host('hostb').migration('vm1', 'completed');
    lab.host('hostb').lifecycle('vm1', 'Defined Added');
    vm1.definedOn.add('hostb');
    lab.wait(300);
    vm1.runsOn.clear();
    vm1.runsOn.add('hostb');
    lab.host('hostb').lifecycle('vm1', 'Suspended Paused');
    lab.stop(vm1, 'hosta', 'migrated');
    vm1.definedOn.delete('hosta');
    lab.migrations.push('hosta -> hostb: succeeded');
    lab.wait(4000);
    lab.host('hostb').monitor('vm1', 'RESUME');
    lab.host('hostb').lifecycle('vm1', 'Resumed Unpaused');
    lab.wait(4000);
    lab.migrate(vm1, 'hostb', 'hosta');
  }),

  'restart of libvirtd on the source before anything': withVm1({}, (lab, vm1) => {
    lab.host('hosta').daemonGone('stopped');
    lab.wait(900);
    lab.host('hosta').daemonBack();
    lab.wait(3000);
    lab.host('hosta').connected = true;
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(5000);
    lab.stop(vm1, 'hostb', 'shutdown');
  }),

  'three hosts in a ring': withVm1({ hosts: { hostc: { clock_ms: 900 } } }, (lab, vm1) => {
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.migrate(vm1, 'hostb', 'hostc');
    lab.wait(4000);
    lab.migrate(vm1, 'hostc', 'hosta');
    lab.wait(4000);
    lab.chown('hostb', top(vm1), 0, {
      by: admin(lab, 'hostb'),
    });
    lab.ioErrors(vm1, 'hosta', 2);
    return { causes: ['foreign-program'], ownerOpen: true };
  }),

  'two guests on one mismatched host, one each way': story({ hosts: { hostb: ROOT } }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]]);
    const vm2 = lab.guest('vm2', [[lab.file('vm2.raw')]], 'hostb');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.migrate(vm2, 'hostb', 'hosta');
    return { causes: ['destination-config-mismatch', 'destination-config-mismatch'] };
  }),

  'the same setting root on both hosts': withVm1(
    { hosts: { hosta: { uid: 0 }, hostb: { uid: 0 } } },
    (lab, vm1) => {
      lab.migrate(vm1, 'hosta', 'hostb');
      lab.wait(4000);
      lab.incomingFails(vm1, 'hostb', 'hosta');
      lab.wait(4000);
      lab.stop(vm1, 'hostb', 'destroyed');
    },
  ),

  'started and stopped here, then there': story({}, (lab) => {
    const vm1 = lab.vm1(null);
    for (const host of ['hosta', 'hostb', 'hosta']) {
      lab.wait(6000);
      lab.boot(vm1, host);
      vm1.definedOn.add(host);
      lab.wait(6000);
      lab.stop(vm1, host, 'destroyed', 'prio-rpc-libvirtd');
    }
  }),

  'started and stopped on 9p, here, then there': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]], null);
    for (const host of ['hosta', 'hostb']) {
      lab.wait(6000);
      lab.boot(vm1, host);
      vm1.definedOn.add(host);
      lab.wait(6000);
      lab.stop(vm1, host, 'destroyed', 'prio-rpc-libvirtd');
    }
    // nothing orders the end here against the start there
    return { doubted: 2 };
  }),

  'two guests swap their names': story({}, (lab) => {
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
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.chown('hosta', top(vm2), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    return { causes: ['foreign-program'] };
  }),

  'migrated under another name': withVm1({}, (lab, vm1) => {
    const from = { ...vm1, name: 'vm1' };
    vm1.name = 'vm1-new';
    lab.incoming(vm1, 'hostb');
    lab.copy(from, 'hosta');
    lab.pauseForSwitchOver(from, 'hosta');
    lab.takeOver(vm1, 'hosta', 'hostb');
    lab.confirm(from, 'hosta', 'hostb');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    return { causes: ['foreign-program'] };
  }),

  'a failed start of another guest on the same base image, after a failed migration': story({}, (lab) => {
    const base = lab.file('base.raw', { mode: 0o100644 });
    const vm1 = lab.guest('vm1', [[lab.file('vm1.qcow2'), base]]);
    const vm2 = lab.guest('vm2', [[lab.file('vm2.qcow2'), base]], null, 'hostb');
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(5000);
    lab.boot(vm2, 'hostb');
    lab.wait(5000);
    lab.stop(vm2, 'hostb', 'destroyed');
  }),

  'a read-only cdrom and a shareable disk of two guests': story({ selinux: 'Permissive' }, (lab) => {
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
    return { causes: ['destination-own-categories'] };
  }),

  'snapshots on the owner, and a commit after the migration': withVm1({}, (lab, vm1) => {
    snapshot(lab, vm1, 'hosta', 'vm1.s1');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    commit(lab, vm1, 'hostb');
    lab.wait(4000);
    lab.stop(vm1, 'hostb', 'destroyed');
  }),

  'a snapshot, a migration that fails, and a commit': withVm1(
    { hosts: { hostb: { uid: 0 } } },
    (lab, vm1) => {
      snapshot(lab, vm1, 'hosta', 'vm1.s1');
      lab.wait(4000);
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 2);
      for (const file of vm1.disks[0]?.chain ?? [])
        lab.chown('hosta', file, 64055, { by: admin(lab, 'hosta') });
      lab.wait(4000);
      commit(lab, vm1, 'hosta');
      lab.wait(4000);
      return { causes: ['destination-config-mismatch'] };
    },
  ),
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
