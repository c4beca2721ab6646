import type { LabGuest } from '../guest.js';
import type { LabHost } from '../host.js';
import { Lab } from '../lab.js';
import { cwdRecord, machineIdRecord, pathRecord, proctitleRecord, syscallRecord } from '../records.js';
import { admin, top } from '../steps.js';
import { type Stories, story, type Variant, withVm1 } from '../story.js';

/** Hosts of other kinds than the lab’s. */
export const HOSTS: Stories = {
  'AppArmor on both hosts': story({ hosts: { hostb: { uid: 0 } } }, (lab) => {
    const vm1 = lab.vm1();
    for (const name of ['hosta', 'hostb']) lab.host(name).daemon.subject = '=libvirtd (enforce)';
    lab.wait(4000);
    const hostb = lab.host('hostb');
    const profile = profileOf(vm1);
    hostb.audit([machineIdRecord('apparmor', profile, profile, vm1, hostb.daemon)]);
    confined(lab, hostb, vm1);
    lab.incomingFails(vm1, 'hosta', 'hostb');
    lab.ioErrors(vm1, 'hosta', 2);
    confined(lab, lab.host('hosta'), vm1);
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.wait(4000);
    return { causes: ['destination-config-mismatch'] };
  }),

  'virtqemud here, libvirtd there'(variant) {
    const lab = new Lab(
      { hosts: { hosta: { daemon: 'virtqemud' } } },
      variant === undefined ? {} : without('daemon', variant),
    );
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
    lab.incomingFails(vm1, 'hostb', 'hosta');
    lab.wait(4000);
    return { lab, causes: ['destination-cleanup-after-failure', 'source-cleanup-after-handover'] };
  },

  'SELinux here, none there': withVm1(
    { selinux: 'Enforcing', hosts: { hostb: { selinux: 'Disabled' } } },
    (lab, vm1) => {
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.wait(4000);
      lab.chown('hostb', top(vm1), 0, { by: admin(lab, 'hostb') });
      lab.ioErrors(vm1, 'hosta', 2);
      return { causes: ['foreign-program'] };
    },
  ),
};

function profileOf({ uuid }: LabGuest): string {
  return `libvirt-${uuid}`;
}

/** What AppArmor logs of a start: the profile of the guest, loaded, and a denied look at its image. */
function confined(lab: Lab, machine: LabHost, guest: LabGuest): void {
  const by = machine.command('/usr/sbin/apparmor_parser');
  const profile = profileOf(guest);
  machine.audit([
    {
      type: 'AVC',
      text: `apparmor="STATUS" operation="profile_load" profile="unconfined" name="${profile}" pid=${by.pid} comm="apparmor_parser"`,
      enriched: '',
    },
    syscallRecord('pwrite64', ['6', '7f', '2f', '0'], 47, by, 0),
    proctitleRecord(by.exe),
  ]);
  const file = lab.seen(machine.name, top(guest));
  machine.audit([
    {
      type: 'AVC',
      text: `apparmor="DENIED" operation="open" profile="${profile}" name="${file.name}" pid=${by.pid} comm="qemu-system-x86" requested_mask="r" denied_mask="r" fsuid=64055 ouid=64055`,
      enriched: 'FSUID="libvirt-qemu" OUID="libvirt-qemu"',
    },
    syscallRecord('pwrite64', ['6', '7f', '2f', '0'], -13, by, 1),
    cwdRecord('/'),
    pathRecord(file),
    proctitleRecord(by.exe),
  ]);
}

function without<K extends keyof Variant>(key: K, { [key]: _, ...rest }: Variant): Omit<Variant, K> {
  return rest;
}
