import type { LabGuest } from '../guest.js';
import { Lab } from '../lab.js';
import { controlRecord, diskRecord } from '../records.js';
import { repair } from '../steps.js';
import { ROOT, type Stories, story, withVm1 } from '../story.js';

/** Scenarios of the lab whose captures are not in test/golden, in the order that the lab saw. */
export const CAPTURES: Stories = {
  multi: story({ hosts: { hostb: {} } }, (lab) => {
    const base = lab.file('base.raw', { mode: 0o100644, inode: 18102 });
    const [g1, g2, g3, g4] = ['g1', 'g2', 'g3', 'g4'].map((name) =>
      lab.guest(name, [[lab.file(`${name}.qcow2`), base]], name === 'g4' ? null : 'hosta'),
    );
    lab.boot(g4 as LabGuest, 'hostb');
    lab.wait(8000);
    // hostb's configuration changes; g4 goes on as it was
    Object.assign(lab.host('hostb').options, ROOT);
    lab.incoming(g2 as LabGuest, 'hostb');
    lab.incoming(g3 as LabGuest, 'hostb');
    lab.copy(g2 as LabGuest, 'hosta');
    lab.copy(g3 as LabGuest, 'hosta');
    for (const guest of [g2, g3] as LabGuest[]) {
      lab.pauseForSwitchOver(guest, 'hosta');
      lab.host('hosta').migration(guest.name, 'failed');
      lab.host('hosta').monitor(guest.name, 'RESUME');
      lab.wait(10);
      lab.host('hosta').lifecycle(guest.name, 'Resumed Unpaused');
      lab.abandon(guest, 'hosta', 'hostb');
      lab.ioErrors(guest, 'hosta', 3);
    }
    for (const guest of [g2, g3] as LabGuest[]) repair(lab, guest, 'hosta');
    lab.wait(5000);
    lab.stop(g1 as LabGuest, 'hosta', 'destroyed', 'prio-rpc-libvirtd');
    // g1 has its base image taken away by a migration that is none of its own
    return { causes: ['destination-config-mismatch', 'destination-config-mismatch', 'foreign-host'] };
  }),

  'source-crash': withVm1({}, (lab, vm1) => {
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').monitor('vm1', 'STOP');
    lab.host('hosta').lifecycle('vm1', 'Suspended Migrated');
    lab.wait(150);
    lab.host('hosta').daemonGone('killed');
    lab.wait(200);
    lab.abandon(vm1, 'hosta', 'hostb', 'destroyed');
    lab.wait(1500);
    lab.host('hosta').daemonBack();
    lab.wait(9000);
  }),

  'source-crash-qemu': withVm1({}, (lab, vm1) => {
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').monitor('vm1', 'STOP');
    lab.host('hosta').lifecycle('vm1', 'Suspended Migrated');
    lab.wait(150);
    vm1.runsOn.clear();
    vm1.processOn.delete('hosta');
    lab.host('hosta').daemonGone('killed');
    lab.wait(200);
    lab.abandon(vm1, 'hosta', 'hostb', 'destroyed');
    lab.wait(1500);
    lab.host('hosta').daemonBack();
    lab.wait(4000);
    lab.restore(vm1, 'hosta', false, 'init-vm1');
    lab.wait(9000);
  }),

  'postcopy-fail': story({}, (lab) => {
    const vm1 = lab.vm1();
    startPostCopy(lab, vm1);
    lab.host('hosta').migration('vm1', 'postcopy-paused');
    lab.host('hosta').lifecycle('vm1', 'Suspended Post-copy Error');
    lab.host('hostb').migration('vm1', 'postcopy-paused');
    lab.host('hostb').lifecycle('vm1', 'Resumed Post-copy Error');
    lab.wait(6000);
    const before = lab.migrations.length;
    lab.stop(vm1, 'hosta', 'destroyed', 'prio-rpc-libvirtd');
    lab.migrations.splice(before);
    lab.migrations.push('hosta -> hostb: failed');
    vm1.runsOn.add('hostb');
    lab.ioErrors(vm1, 'hostb', 5);
    return { causes: ['postcopy-source-destroyed'] };
  }),

  'postcopy-kill': story({}, (lab) => {
    const vm1 = lab.vm1();
    startPostCopy(lab, vm1);
    vm1.runsOn.clear();
    vm1.processOn.delete('hostb');
    lab.wait(300);
    lab.host('hosta').migration('vm1', 'postcopy-paused');
    lab.host('hosta').lifecycle('vm1', 'Suspended Post-copy Error');
    lab.wait(4000);
    lab.host('hostb').audit([controlRecord('stop', 'failed', vm1, 0, lab.host('hostb').daemon)]);
    lab.wait(20);
    lab.host('hostb').lifecycle('vm1', 'Stopped Failed');
    lab.wait(8000);
    lab.stop(vm1, 'hosta', 'destroyed', 'prio-rpc-libvirtd');
    lab.migrations.push('hosta -> hostb: failed');
  }),

  'second-start'(variant) {
    const nolock = 'rw,vers=3,nolock,local_lock=all,addr=10.77.0.20';
    const mounts = (dev: string) => [
      {
        mount_point: '/var/lib/libvirt/images/nfs',
        source: 'nfs1:/srv/images',
        fs_type: 'nfs',
        dev,
        options: nolock,
      },
    ];
    const lab = new Lab(
      { hosts: { hosta: { mounts: mounts('0:43') }, hostb: { mounts: mounts('0:49') } } },
      variant,
    );
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]]);
    lab.wait(4000);
    lab.host('hostb').lifecycle('vm1', 'Defined Added');
    vm1.definedOn.add('hostb');
    lab.wait(500);
    lab.boot(vm1, 'hostb');
    lab.wait(15_000);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.ioErrors(vm1, 'hosta', 5);
    repair(lab, vm1, 'hosta');
    return { lab, causes: ['second-start'] };
  },

  'second-start-locked, again': withVm1({}, (lab, vm1) => {
    lab.host('hostb').lifecycle('vm1', 'Defined Added');
    lab.bootFails(vm1, 'hostb');
    vm1.definedOn.add('hostb');
    lab.ioErrors(vm1, 'hosta', 3);
    repair(lab, vm1, 'hosta');
    lab.wait(5000);
    lab.bootFails(vm1, 'hostb');
    lab.ioErrors(vm1, 'hosta', 3);
    return { causes: ['second-start'] };
  }),

  'enf-ok, enf-back': withVm1({ selinux: 'Enforcing' }, (lab, vm1) => {
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(15_000);
    lab.migrate(vm1, 'hostb', 'hosta');
    return { causes: ['destination-own-categories', 'destination-own-categories'] };
  }),

  'enf-nfs-bool-mismatch': withVm1(
    { selinux: 'Enforcing', labelled: false, hosts: { hosta: { virt_use_nfs: true }, hostb: ROOT } },
    (lab, vm1) => {
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 4);
      repair(lab, vm1, 'hosta');
      lab.wait(6000);
      return { causes: ['destination-config-mismatch'] };
    },
  ),

  hotplug: story({}, (lab) => {
    const vm1 = lab.vm1();
    const extra = { chain: [lab.file('extra.raw')], shareable: false, read_only: false };
    lab.wait(4000);
    vm1.disks.push(extra);
    const plug = (host: string, attach: boolean) => {
      const machine = lab.host(host);
      const path = lab.pathOn(host, extra.chain[0] as never);
      lab.chown(host, extra.chain[0] as never, attach ? 64055 : 0);
      lab.wait(200);
      machine.audit([
        diskRecord(
          attach ? 'attach' : 'detach',
          vm1,
          attach ? null : path,
          attach ? path : null,
          machine.daemon,
        ),
      ]);
      machine.virsh('vm1', attach ? 'device-added' : 'device-removed', 'virtio-disk1');
      machine.lifecycle('vm1', 'Defined Updated');
    };
    plug('hosta', true);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    plug('hostb', false);
    vm1.disks.pop();
    lab.wait(4000);
  }),

  'ping-pong': withVm1({}, (lab, vm1) => {
    for (let i = 0; i < 6; i++) {
      lab.migrate(vm1, i % 2 === 0 ? 'hosta' : 'hostb', i % 2 === 0 ? 'hostb' : 'hosta');
      lab.wait(1500);
    }
  }),

  'p2p aborts': withVm1({}, (lab, vm1) => {
    for (const status of ['cancelled', 'failed']) {
      lab.incoming(vm1, 'hostb');
      lab.copy(vm1, 'hosta');
      lab.host('hosta').migration('vm1', status === 'cancelled' ? 'cancelling' : 'failed');
      lab.wait(80);
      if (status === 'cancelled') lab.host('hosta').migration('vm1', status);
      lab.abandon(vm1, 'hosta', 'hostb');
      lab.wait(4000);
    }
    lab.migrate(vm1, 'hosta', 'hostb');
  }),

  'bounce-kill': withVm1({}, (lab, vm1) => {
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hostb').daemonGone('killed');
    vm1.processOn.delete('hostb');
    lab.wait(80);
    lab.host('hosta').migration('vm1', 'failed');
    lab.wait(2000);
    lab.host('hostb').daemonBack();
    lab.wait(3000);
    lab.restore(vm1, 'hostb', true, 'init-vm1');
    lab.migrations.push('hosta -> hostb: failed');
    lab.wait(3000);
  }),

  'selinux-s2-port': withVm1({ selinux: 'Permissive' }, (lab, vm1) => {
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { causes: ['destination-own-categories'] };
  }),

  'selinux-s4-mismatch': withVm1({ selinux: 'Permissive', hosts: { hostb: ROOT } }, (lab, vm1) => {
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 4);
    repair(lab, vm1, 'hosta');
    lab.wait(6000);
    return { causes: ['destination-config-mismatch', 'destination-own-categories'] };
  }),

  'node-null': withVm1(
    {
      hosts: {
        hosta: { node: '(null)', enriched: true },
        hostb: { ...ROOT, node: '(null)', enriched: true },
      },
    },
    (lab, vm1) => {
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 4);
      return { causes: ['destination-config-mismatch'] };
    },
  ),

  's4-mismatch with a raw image': story({ hosts: { hostb: ROOT } }, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]]);
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.ioErrors(vm1, 'hosta', 2);
    lab.pauseForSwitchOver(vm1, 'hosta');
    lab.takeOver(vm1, 'hosta', 'hostb');
    lab.confirm(vm1, 'hosta', 'hostb');
    return { causes: ['destination-config-mismatch'] };
  }),

  offline: story({}, (lab) => {
    const vm1 = lab.vm1(null);
    lab.wait(4000);
    lab.host('hostb').lifecycle('vm1', 'Defined Added');
    vm1.definedOn.delete('hosta');
    vm1.definedOn.add('hostb');
    lab.migrations.push('hosta -> hostb: succeeded');
    lab.wait(8000);
    lab.boot(vm1, 'hostb');
    lab.wait(4000);
  }),
};

function startPostCopy(lab: Lab, vm1: LabGuest): void {
  lab.wait(4000);
  lab.incoming(vm1, 'hostb');
  lab.copy(vm1, 'hosta');
  lab.host('hosta').monitor('vm1', 'STOP');
  lab.wait(6);
  lab.host('hosta').lifecycle('vm1', 'Suspended Migrated');
  lab.host('hosta').migration('vm1', 'pre-switchover');
  lab.host('hosta').migration('vm1', 'device');
  lab.host('hostb').migration('vm1', 'postcopy-active');
  lab.host('hosta').migration('vm1', 'postcopy-active');
  lab.wait(60);
  lab.host('hosta').lifecycle('vm1', 'Suspended Post-copy');
  lab.host('hostb').lifecycle('vm1', 'Defined Added');
  vm1.definedOn.add('hostb');
  lab.wait(200);
  vm1.runsOn.clear();
  vm1.runsOn.add('hostb');
  lab.host('hostb').monitor('vm1', 'RESUME');
  lab.wait(15);
  lab.host('hostb').lifecycle('vm1', 'Resumed Post-copy');
  lab.wait(900);
}
