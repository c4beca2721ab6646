import type { LabGuest } from '../guest.js';
import type { Lab } from '../lab.js';
import { controlRecord, machineIdRecord, serviceRecord } from '../records.js';
import { admin, handOver, top } from '../steps.js';
import { type Stories, story, withVm1 } from '../story.js';

/** Ends that nobody planned. */
export const FAILURES: Stories = {
  'the destination’s labelling fails half way and is rolled back': story({}, (lab) => {
    const vm1 = lab.vm1();
    const hostb = lab.host('hostb');
    lab.wait(4000);
    hostb.audit([machineIdRecord('dac', '+64055:+64055', '+64055:+64055', vm1, hostb.daemon)]);
    lab.wait(2400);
    // the overlay has its owner already; the base image cannot be had, so the overlay is given back
    const child = hostb.child();
    lab.chown('hostb', top(vm1), 0, { by: child });
    lab.wait(300);
    hostb.audit([controlRecord('start', 'migrated', vm1, 0, hostb.daemon, false)]);
    hostb.virsh('vm1', 'control-error');
    lab.migrations.push('hosta -> hostb: failed');
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.wait(4000);
    return { causes: ['destination-cleanup-after-failure'] };
  }),

  'the confirmation is lost and the paused source destroyed': withVm1({}, (lab, vm1) => {
    handOver(lab, vm1, 'hosta', 'hostb');
    lab.host('hosta').migration('vm1', 'completed');
    // what libvirt's operation came to; the guest is on hostb all the same
    lab.migrations.push('hosta -> hostb: failed');
    lab.wait(30_000);
    lab.stop(vm1, 'hosta', 'destroyed', 'prio-rpc-libvirtd');
    vm1.runsOn.add('hostb');
    lab.ioErrors(vm1, 'hostb', 3);
    return { causes: ['source-cleanup-after-handover'] };
  }),

  'the source’s QEMU dies after the hand-over': withVm1({}, (lab, vm1) => {
    handOver(lab, vm1, 'hosta', 'hostb');
    // what libvirt's operation came to; the guest is on hostb all the same
    lab.migrations.push('hosta -> hostb: failed');
    lab.stop(vm1, 'hosta', 'failed', 'qemu-event');
    vm1.runsOn.add('hostb');
    lab.ioErrors(vm1, 'hostb', 3);
    return { causes: ['source-cleanup-after-handover'] };
  }),

  'the source’s daemon dies before it confirms, and the guest comes back while nothing is recorded': story(
    {},
    (lab) => {
      const vm1 = lab.vm1();
      const hosta = lab.host('hosta');
      lab.wait(4000);
      handOver(lab, vm1, 'hosta', 'hostb');
      hosta.daemonGone('killed');
      vm1.processOn.delete('hosta');
      lab.wait(2000);
      hosta.daemonBack();
      lab.wait(3000);
      lab.restore(vm1, 'hosta', false, 'init-vm1');
      lab.ioErrors(vm1, 'hostb', 3);
      lab.chown('hostb', top(vm1), 64055, { by: admin(lab, 'hostb') });
      lab.wait(9000);
      hear(lab, false);
      lab.migrate(vm1, 'hostb', 'hosta');
      lab.wait(2000);
      hear(lab, true);
      lab.ioErrors(vm1, 'hosta', 1);
      hosta.audit([serviceRecord('START', 'virtlogd', true)]);
      lab.host('hostb').audit([serviceRecord('START', 'virtlogd', true)]);
      lab.migrations.splice(0, 1, 'hosta -> hostb: failed');
      return { unproved: 1 };
    },
  ),

  'the client of a managed migration goes away': withVm1({}, (lab, vm1) => {
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'cancelling');
    lab.host('hosta').migration('vm1', 'cancelled');
    lab.abandon(vm1, 'hosta', 'hostb', 'destroyed');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
  }),

  'the client of a managed migration goes away, on 9p': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'cancelled');
    lab.abandon(vm1, 'hosta', 'hostb', 'destroyed');
    lab.wait(4000);
    return { causes: ['destination-cleanup-after-failure'] };
  }),

  'post-copy breaks, is recovered and ends well': story({}, (lab) => {
    const vm1 = lab.vm1();
    const [hosta, hostb] = [lab.host('hosta'), lab.host('hostb')];
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    hosta.monitor('vm1', 'STOP');
    lab.wait(6);
    hosta.lifecycle('vm1', 'Suspended Migrated');
    hosta.migration('vm1', 'postcopy-active');
    hostb.migration('vm1', 'postcopy-active');
    lab.wait(60);
    hosta.lifecycle('vm1', 'Suspended Post-copy');
    lab.wait(200);
    vm1.runsOn.clear();
    vm1.runsOn.add('hostb');
    hostb.monitor('vm1', 'RESUME');
    lab.wait(15);
    hostb.lifecycle('vm1', 'Resumed Post-copy');
    lab.wait(900);
    for (const host of [hosta, hostb]) host.migration('vm1', 'postcopy-paused');
    hosta.lifecycle('vm1', 'Suspended Post-copy Error');
    hostb.lifecycle('vm1', 'Resumed Post-copy Error');
    lab.wait(8000);
    for (const host of [hosta, hostb]) {
      host.migration('vm1', 'postcopy-recover-setup');
      host.migration('vm1', 'postcopy-recover');
    }
    hosta.lifecycle('vm1', 'Suspended Post-copy');
    hostb.lifecycle('vm1', 'Resumed Post-copy');
    for (const host of [hosta, hostb]) host.migration('vm1', 'postcopy-active');
    lab.wait(900);
    hostb.migration('vm1', 'completed');
    lab.wait(30);
    hostb.lifecycle('vm1', 'Resumed Migrated');
    lab.confirm(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    return { causes: ['foreign-program'] };
  }),

  'the owner loses power and the guest is started elsewhere': withVm1({}, (lab, vm1) => {
    diesAndIsStartedElsewhere(lab, vm1);
    lab.host('hosta').boots();
    lab.wait(8000);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
  }),

  'the owner loses power, the guest is started elsewhere, and the former owner takes the image': withVm1(
    {},
    (lab, vm1) => {
      diesAndIsStartedElsewhere(lab, vm1);
      lab.host('hosta').boots();
      lab.wait(8000);
      lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
      lab.ioErrors(vm1, 'hostb', 2);
      // no record orders the start there against the call here
      return { unproved: 1 };
    },
  ),

  'the owner loses power for good': withVm1({}, (lab, vm1) => {
    diesAndIsStartedElsewhere(lab, vm1);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
  }),

  'the owner loses power and the guest is started elsewhere, without locks': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    diesAndIsStartedElsewhere(lab, vm1);
    lab.host('hosta').boots();
    lab.wait(8000);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
  }),

  'the owner loses power for good, without locks': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    diesAndIsStartedElsewhere(lab, vm1);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
  }),

  'the owner loses power, and its image is given away while nobody runs it': withVm1({}, (lab, vm1) => {
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'cancelled');
    lab.abandon(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    losesPower(lab, vm1, 'hosta');
    lab.wait(20_000);
    lab.host('hosta').boots();
    lab.wait(8000);
    for (const host of ['hostb', 'hosta', 'nfs1'])
      lab.chown(host, top(vm1), host === 'hostb' ? 0 : 34, { by: admin(lab, host) });
    lab.wait(8000);
    // the one on hosta came after its start; when the others came no record tells
    return { doubted: 3 };
  }),

  'the destination loses power in mid-copy': withVm1({}, (lab, vm1) => {
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    vm1.processOn.delete('hostb');
    lab.host('hostb').connected = false;
    lab.wait(30_000);
    lab.host('hosta').migration('vm1', 'failed');
    lab.migrations.push('hosta -> hostb: failed');
    lab.wait(30_000);
    lab.host('hostb').boots();
    lab.wait(5000);
    lab.chown('hostb', top(vm1), 0, { by: admin(lab, 'hostb') });
    lab.ioErrors(vm1, 'hosta', 2);
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.wait(4000);
    return { causes: ['foreign-program'] };
  }),
};

/** Whether anything is recorded on either hypervisor; the end of virsh's listeners stands in their logs. */
function hear(lab: Lab, doesHear: boolean): void {
  for (const name of ['hosta', 'hostb']) {
    const machine = lab.host(name);
    if (!doesHear && machine.connected) machine.listenersGo();
    machine.connected = doesHear;
    machine.isDeaf = !doesHear;
  }
}

/** Nothing is logged any more, and no QEMU is left. */
function losesPower(lab: Lab, guest: { runsOn: Set<string>; processOn: Set<string> }, host: string): void {
  guest.runsOn.delete(host);
  guest.processOn.delete(host);
  lab.host(host).connected = false;
}

/** The owner, hosta, loses power; the guest is started on hostb. */
function diesAndIsStartedElsewhere(lab: Lab, guest: LabGuest): void {
  losesPower(lab, guest, 'hosta');
  lab.wait(20_000);
  lab.boot(guest, 'hostb');
  guest.definedOn.add('hostb');
  lab.wait(40_000);
}
