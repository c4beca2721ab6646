import { cwdRecord, pathRecord, proctitleRecord, syscallRecord } from '../records.js';
import { admin, top } from '../steps.js';
import { type Stories, withVm1 } from '../story.js';

/** Daemons that restart and records that are lost. */
export const LOST_RECORDS: Stories = {
  'restart of the destination’s daemon in mid-copy, and the migration again': withVm1({}, (lab, vm1) => {
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
    lab.chown('hosta', top(vm1), 64055, { by: admin(lab, 'hosta') });
    lab.wait(6000);
    lab.migrate(vm1, 'hosta', 'hostb');
    lab.wait(6000);
    lab.stop(vm1, 'hostb', 'destroyed');
    return { causes: ['destination-cleanup-after-failure'] };
  }),

  'restart of the owner’s daemon, then an attempt that fails after the labels': withVm1(
    { hosts: { hostb: { uid: 0 } } },
    (lab, vm1) => {
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 2);
      lab.host('hosta').daemonGone('stopped');
      lab.wait(900);
      lab.host('hosta').daemonBack();
      lab.wait(2000);
      lab.host('hosta').connected = true;
      for (const file of vm1.disks[0]?.chain ?? [])
        lab.chown('hosta', file, 64055, { by: admin(lab, 'hosta') });
      lab.wait(6000);
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 2);
      return { causes: ['destination-config-mismatch'] };
    },
  ),

  'a label change whose AVC pair was lost': withVm1(
    { selinux: 'Permissive', hosts: { hostb: { uid: 0, lost: 176504 } } },
    (lab, vm1) => {
      const hostb = lab.host('hostb');
      const setfilecon = hostb.setfilecon.bind(hostb);
      hostb.setfilecon = (file, context, caller, exit) => setfilecon(file, context, caller, exit, false);
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 2);
      return { causes: ['destination-config-mismatch', 'destination-own-categories'] };
    },
  ),

  'chowns of which only the SYSCALL record is left': withVm1(
    { hosts: { hostb: { uid: 0, lost: 20011 } } },
    (lab, vm1) => {
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
      return { causes: ['destination-config-mismatch'], unproved: 1, untold: 1 };
    },
  ),

  'chowns of which the SYSCALL record is lost': withVm1(
    { hosts: { hostb: { uid: 0, lost: 20011 } } },
    (lab, vm1) => {
      const hostb = lab.host('hostb');
      hostb.chown = (file, _uid, _gid, caller) =>
        hostb.audit([cwdRecord('/'), pathRecord(file), proctitleRecord(caller.exe)]);
      lab.incomingFails(vm1, 'hosta', 'hostb');
      lab.ioErrors(vm1, 'hosta', 2);
      return { unproved: 2, untold: 2 };
    },
  ),
};
