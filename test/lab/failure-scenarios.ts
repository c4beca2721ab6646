import { Lab } from './lab.js';
import { controlRecord, machineIdRecord } from './records.js';
import type { Scenario, Variant } from './scenarios.js';
import { admin, handOver, top } from './steps.js';

/** Ends that nobody planned. */
export const FAILURE_SCENARIOS: Record<string, (variant?: Variant) => Scenario> = {
  'the destination’s labelling fails half way and is rolled back'(variant) {
    const lab = new Lab({}, variant);
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
    return { lab, causes: ['destination-cleanup-after-failure'] };
  },

  'the confirmation is lost and the paused source destroyed'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    handOver(lab, vm1, 'hosta', 'hostb');
    lab.host('hosta').migration('vm1', 'completed');
    // what libvirt's operation came to; the guest is on hostb all the same
    lab.migrations.push('hosta -> hostb: failed');
    lab.wait(30_000);
    lab.stop(vm1, 'hosta', 'destroyed', 'prio-rpc-libvirtd');
    vm1.runsOn.add('hostb');
    lab.ioErrors(vm1, 'hostb', 3);
    return { lab, causes: ['source-cleanup-after-handover'] };
  },

  'the source’s QEMU dies after the hand-over'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    handOver(lab, vm1, 'hosta', 'hostb');
    // what libvirt's operation came to; the guest is on hostb all the same
    lab.migrations.push('hosta -> hostb: failed');
    lab.stop(vm1, 'hosta', 'failed', 'qemu-event');
    vm1.runsOn.add('hostb');
    lab.ioErrors(vm1, 'hostb', 3);
    return { lab, causes: ['source-cleanup-after-handover'] };
  },

  'the client of a managed migration goes away'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'cancelling');
    lab.host('hosta').migration('vm1', 'cancelled');
    lab.abandon(vm1, 'hosta', 'hostb', 'destroyed');
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    return { lab };
  },

  'the client of a managed migration goes away, on 9p'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    lab.incoming(vm1, 'hostb');
    lab.copy(vm1, 'hosta');
    lab.host('hosta').migration('vm1', 'cancelled');
    lab.abandon(vm1, 'hosta', 'hostb', 'destroyed');
    lab.wait(4000);
    return { lab, causes: ['destination-cleanup-after-failure'] };
  },

  'post-copy breaks, is recovered and ends well'(variant) {
    const lab = new Lab({}, variant);
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
    return { lab, causes: ['foreign-program'] };
  },

  'the owner loses power and the guest is started elsewhere'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    losesPower(lab, vm1, 'hosta');
    lab.wait(20_000);
    lab.boot(vm1, 'hostb');
    vm1.definedOn.add('hostb');
    lab.wait(40_000);
    lab.host('hosta').boots();
    lab.wait(8000);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
    return { lab };
  },

  'the owner loses power, the guest is started elsewhere, and the former owner takes the image'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    losesPower(lab, vm1, 'hosta');
    lab.wait(20_000);
    lab.boot(vm1, 'hostb');
    vm1.definedOn.add('hostb');
    lab.wait(40_000);
    lab.host('hosta').boots();
    lab.wait(8000);
    lab.chown('hosta', top(vm1), 0, { by: admin(lab, 'hosta') });
    lab.ioErrors(vm1, 'hostb', 2);
    // no record orders the start there against the call here
    return { lab, unproved: 1 };
  },

  'the owner loses power for good'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
    losesPower(lab, vm1, 'hosta');
    lab.wait(20_000);
    lab.boot(vm1, 'hostb');
    vm1.definedOn.add('hostb');
    lab.wait(40_000);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
    return { lab };
  },

  'the owner loses power and the guest is started elsewhere, without locks'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    losesPower(lab, vm1, 'hosta');
    lab.wait(20_000);
    lab.boot(vm1, 'hostb');
    vm1.definedOn.add('hostb');
    lab.wait(40_000);
    lab.host('hosta').boots();
    lab.wait(8000);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
    return { lab };
  },

  'the owner loses power for good, without locks'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    losesPower(lab, vm1, 'hosta');
    lab.wait(20_000);
    lab.boot(vm1, 'hostb');
    vm1.definedOn.add('hostb');
    lab.wait(40_000);
    lab.stop(vm1, 'hostb', 'destroyed', 'prio-rpc-libvirtd');
    lab.wait(8000);
    return { lab };
  },

  'the destination loses power in mid-copy'(variant) {
    const lab = new Lab({}, variant);
    const vm1 = lab.vm1();
    lab.wait(4000);
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
    return { lab, causes: ['foreign-program'] };
  },
};

/** Nothing is logged any more, and no QEMU is left. */
function losesPower(lab: Lab, guest: { runsOn: Set<string>; processOn: Set<string> }, host: string): void {
  guest.runsOn.delete(host);
  guest.processOn.delete(host);
  lab.host(host).connected = false;
}
