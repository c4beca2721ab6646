import type { LabGuest } from './guest.js';
import type { HostOptions } from './host.js';
import { Lab } from './lab.js';
import { controlRecord, diskRecord } from './records.js';

/** What differs on the hosts although the same happens. */
export type Variant = Partial<HostOptions> & { hosts?: Record<string, HostOptions> };

/** A scenario with what the report on it must say beside the verdicts, owners and migrations. */
export interface Scenario {
  lab: Lab;
  /** causes of the findings with verdict violation, sorted */
  causes?: string[];
  /** violations that the records do not prove, and legitimate calls that they leave in doubt */
  unproved?: number;
  /** of these, calls of which too little was recorded to tie them to a file */
  untold?: number;
  doubted?: number;
  /** the records do not tell which of several hosts owned the guest */
  ownerOpen?: boolean;
}

const ROOT: HostOptions = { uid: 0 };

/** Puts the owner right again, as the admin of the lab did. */
function repair(lab: Lab, guest: LabGuest, on: string): void {
  const by = lab.host(on).command('/usr/bin/chown');
  for (const file of new Set(guest.disks.flatMap(({ chain }) => chain)))
    lab.chown(on, file, guest.labels.get(on)?.uid ?? 64055, { by });
}

/** Scenarios of the lab whose captures are not in test/golden, in the order that the lab saw. */
export const SCENARIOS: Record<string, (variant?: Variant) => Scenario> = {
  multi(variant) {
    const lab = new Lab({ hosts: { hostb: {} } }, variant);
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
    return { lab, causes: ['destination-config-mismatch', 'destination-config-mismatch', 'foreign-host'] };
  },

  'source-crash'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
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
    return { lab };
  },

  'source-crash-qemu'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
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
    return { lab };
  },

  'postcopy-fail'(variant) {
    const lab = new Lab({}, variant);
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
    return { lab, causes: ['postcopy-source-destroyed'] };
  },

  'postcopy-kill'(variant) {
    const lab = new Lab({}, variant);
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
    return { lab };
  },

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

  'second-start-locked, again'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.host('hostb').lifecycle('vm1', 'Defined Added');
    lab.bootFails(vm1, 'hostb');
    vm1.definedOn.add('hostb');
    lab.ioErrors(vm1, 'hosta', 3);
    repair(lab, vm1, 'hosta');
    lab.wait(5000);
    lab.bootFails(vm1, 'hostb');
    lab.ioErrors(vm1, 'hosta', 3);
    return { lab, causes: ['second-start'] };
  },

  'enf-ok, enf-back'(variant) {
    const lab = new Lab({ selinux: 'Enforcing' }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(15_000);
    lab.migrate(vm1, 'hostb', 'hosta');
    return { lab, causes: ['destination-own-categories', 'destination-own-categories'] };
  },

  'enf-nfs-bool-mismatch'(variant) {
    const lab = new Lab(
      { selinux: 'Enforcing', labelled: false, hosts: { hosta: { virt_use_nfs: true }, hostb: ROOT } },
      variant,
    );
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 4);
    repair(lab, vm1, 'hosta');
    lab.wait(6000);
    return { lab, causes: ['destination-config-mismatch'] };
  },

  hotplug(variant) {
    const lab = new Lab({}, variant);
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
    return { lab };
  },

  'ping-pong'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    for (let i = 0; i < 6; i++) {
      lab.migrate(vm1, i % 2 === 0 ? 'hosta' : 'hostb', i % 2 === 0 ? 'hostb' : 'hosta');
      lab.wait(1500);
    }
    return { lab };
  },

  'ping-pong with a mismatched host, raw'(variant) {
    const lab = new Lab({ hosts: { hostb: ROOT } }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(3000);
    lab.migrate(vm1, 'hostb', 'hosta');
    lab.wait(3000);
    lab.migrate(vm1, 'hosta', 'hostb');
    return { lab, causes: ['destination-config-mismatch', 'destination-config-mismatch'] };
  },

  'p2p aborts'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
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
    return { lab };
  },

  'p9 aborted after the start of the destination'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'cancelled');
    lab.abandon(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    return { lab, causes: ['destination-cleanup-after-failure'] };
  },

  'bounce-kill'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
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
    return { lab };
  },

  'selinux-s2-port'(variant) {
    const lab = new Lab({ selinux: 'Permissive' }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    return { lab, causes: ['destination-own-categories'] };
  },

  'selinux-s4-mismatch'(variant) {
    const lab = new Lab({ selinux: 'Permissive', hosts: { hostb: ROOT } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 4);
    repair(lab, vm1, 'hosta');
    lab.wait(6000);
    return { lab, causes: ['destination-config-mismatch', 'destination-own-categories'] };
  },

  'node-null'(variant) {
    const lab = new Lab(
      {
        hosts: {
          hosta: { node: '(null)', enriched: true },
          hostb: { ...ROOT, node: '(null)', enriched: true },
        },
      },
      variant,
    );
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 4);
    return { lab, causes: ['destination-config-mismatch'] };
  },

  's4-mismatch with a raw image'(variant) {
    const lab = new Lab({ hosts: { hostb: ROOT } }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]]);
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.ioErrors(vm1, 'hosta', 2);
    lab.pauseForSwitchOver(vm1, 'hosta');
    lab.takeOver(vm1, 'hosta', 'hostb');
    lab.confirm(vm1, 'hosta', 'hostb');
    return { lab, causes: ['destination-config-mismatch'] };
  },

  'the file server’s own chown, and its repair'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.chown('nfs1', vm1.disks[0]?.chain[0] as never, 0, { by: lab.host('nfs1').command('/usr/bin/chown') });
    lab.ioErrors(vm1, 'hosta', 3);
    lab.chown('nfs1', vm1.disks[0]?.chain[0] as never, 64055, {
      by: lab.host('nfs1').command('/usr/bin/chown'),
    });
    lab.wait(4000);
    return { lab, causes: ['foreign-program'] };
  },

  'the file server’s chown -R'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    for (const file of vm1.disks[0]?.chain ?? [])
      lab.chown('nfs1', file, 0, { by: lab.host('nfs1').command('/usr/bin/chown'), below: '/srv' });
    lab.ioErrors(vm1, 'hosta', 3);
    // the server's disk may hold another file of that name: no record ties the image to its inode
    return { lab, unproved: 2 };
  },

  offline(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1(null);
    lab.wait(4000);
    lab.host('hostb').lifecycle('vm1', 'Defined Added');
    vm1.definedOn.delete('hosta');
    vm1.definedOn.add('hostb');
    lab.migrations.push('hosta -> hostb: succeeded');
    lab.wait(8000);
    lab.boot(vm1, 'hostb');
    lab.wait(4000);
    return { lab };
  },

  'paused, migrated, resumed, migrated back'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
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
    return { lab };
  },

  'restart of libvirtd on the source before anything'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.host('hosta').daemonGone('stopped');
    lab.wait(900);
    lab.host('hosta').daemonBack();
    lab.wait(3000);
    lab.host('hosta').connected = true;
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(5000);
    lab.stop(vm1, 'hostb', 'shutdown');
    return { lab };
  },

  'three hosts in a ring'(variant) {
    const lab = new Lab({ hosts: { hostc: { clock_ms: 900 } } }, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.migrate(vm1, 'hostb', 'hostc');
    lab.wait(4000);
    lab.migrate(vm1, 'hostc', 'hosta');
    lab.wait(4000);
    lab.chown('hostb', vm1.disks[0]?.chain[0] as never, 0, {
      by: lab.host('hostb').command('/usr/bin/chown'),
    });
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['foreign-program'], ownerOpen: true };
  },

  'two guests on one mismatched host, one each way'(variant) {
    const lab = new Lab({ hosts: { hostb: ROOT } }, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw')]]);
    const vm2 = lab.guest('vm2', [[lab.file('vm2.raw')]], 'hostb');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.migrate(vm2, 'hostb', 'hosta');
    return { lab, causes: ['destination-config-mismatch', 'destination-config-mismatch'] };
  },
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
