import type { LabFile, LabGuest } from '../guest.js';
import type { Lab } from '../lab.js';
import { diskRecord } from '../records.js';
import { admin, disk, top } from '../steps.js';
import { type Stories, story, withVm1 } from '../story.js';

/** What libvirt does to the images of a guest beside moving it. */
export const JOBS: Stories = {
  'saved here, restored there, saved and restored here': withVm1({}, (lab, vm1) => {
    for (const [from, to] of [
      ['hosta', 'hostb'],
      ['hostb', 'hosta'],
    ] as const) {
      save(lab, vm1, from);
      lab.wait(6000);
      vm1.definedOn.add(to);
      lab.boot(vm1, to, 'restored');
      lab.wait(6000);
    }
  }),

  'saved, and its image taken by the other host’s admin': withVm1({}, (lab, vm1) => {
    save(lab, vm1, 'hosta');
    lab.wait(6000);
    lab.chown('hostb', top(vm1), 34, { by: admin(lab, 'hostb') });
    lab.wait(6000);
    lab.chown('hostb', top(vm1), 64055, { by: admin(lab, 'hostb') });
    lab.boot(vm1, 'hosta', 'restored');
    // nothing orders the call there against the save here
    return { doubted: 1 };
  }),

  'a disk is copied to another file, which the guest goes on with; then a migration': withVm1(
    {},
    (lab, vm1) => {
      const copy = lab.file('vm1-moved.qcow2');
      copied(lab, vm1, 'hosta', copy);
      lab.wait(4000);
      lab.migrate(vm1, 'hosta', 'hostb');
      lab.wait(4000);
      lab.chown('hosta', copy, 0, { by: admin(lab, 'hosta') });
      lab.ioErrors(vm1, 'hostb', 2);
      return { causes: ['foreign-program'] };
    },
  ),

  'a disk is copied from 9p to NFS while the guest runs': story({}, (lab) => {
    const vm1 = lab.guest('vm1', [[lab.file('vm1.raw', { storage: 'p9' })]]);
    lab.wait(4000);
    copied(lab, vm1, 'hosta', lab.file('vm1.raw'));
    lab.wait(4000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(4000);
  }),

  'a backup job with a scratch file, and a disk that is plugged and unplugged after a failed migration':
    withVm1({}, (lab, vm1) => {
      const scratch = lab.file('vm1.scratch');
      lab.chown('hosta', scratch, 64055);
      lab.wait(2000);
      lab.host('hosta').virsh('vm1', 'block-job-2', 'Backup for vda completed');
      lab.chown('hosta', scratch, 0);
      lab.wait(2000);
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.wait(2000);
      const data = disk(lab.file('data.raw'));
      plug(lab, vm1, 'hosta', data.chain[0] as LabFile, true);
      vm1.disks.push(data);
      lab.wait(3000);
      vm1.disks.pop();
      plug(lab, vm1, 'hosta', data.chain[0] as LabFile, false);
      lab.wait(3000);
    }),
};

function save(lab: Lab, guest: LabGuest, host: string): void {
  lab.host(host).monitor(guest.name, 'STOP');
  lab.host(host).lifecycle(guest.name, 'Suspended Paused');
  lab.host(host).migration(guest.name, 'setup');
  lab.host(host).migration(guest.name, 'completed');
  lab.wait(900);
  lab.stop(guest, host, 'saved');
}

/** `blockcopy --pivot`: the copy is labelled first, the former file given back at the end. */
function copied(lab: Lab, guest: LabGuest, host: string, copy: LabFile): void {
  const machine = lab.host(host);
  const former = top(guest);
  lab.chown(host, copy, 64055);
  lab.wait(200);
  machine.audit([
    diskRecord('mirror', guest, lab.pathOn(host, former), lab.pathOn(host, copy), machine.daemon),
  ]);
  lab.wait(2000);
  machine.virsh(guest.name, 'block-job', `Block Copy for ${lab.pathOn(host, former)} ready`);
  lab.wait(300);
  guest.disks[0]?.chain.splice(0, guest.disks[0].chain.length, copy);
  lab.chown(host, former, 0);
  lab.wait(40);
  machine.virsh(guest.name, 'block-job', `Block Copy for ${lab.pathOn(host, copy)} completed`);
}

function plug(lab: Lab, guest: LabGuest, host: string, file: LabFile, attach: boolean): void {
  const machine = lab.host(host);
  const path = lab.pathOn(host, file);
  lab.chown(host, file, attach ? 64055 : 0);
  lab.wait(200);
  const [former, latter] = attach ? [null, path] : [path, null];
  machine.audit([diskRecord(attach ? 'attach' : 'detach', guest, former, latter, machine.daemon)]);
  machine.virsh(guest.name, attach ? 'device-added' : 'device-removed', 'virtio-disk1');
  machine.lifecycle(guest.name, 'Defined Updated');
}
