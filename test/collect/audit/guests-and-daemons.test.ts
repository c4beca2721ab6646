import { describe, expect, it } from 'vitest';
import { only, read, recordFile } from './reading.js';

const UUID = '6fd1ee5d-bb0e-4b1a-a0c2-2f0d0a4b9f77';

function userRecord(type: string, message: string): string {
  const wrapper = 'pid=512 uid=0 auid=4294967295 ses=4294967295 subj=unconfined';
  const tail = 'exe="/usr/sbin/libvirtd" hostname=? addr=? terminal=?';
  return `type=${type} msg=audit(1795396656.064:3258): ${wrapper} msg='${message.replace(' res=', ` ${tail} res=`)}'\n`;
}

describe("libvirt's records", () => {
  it('a start', () => {
    const event = only(read(recordFile('selinux-virt-control-start', 'enriched.log')), 'GuestStarted');
    expect(event).toMatchObject({ at: 1795394797975000, id: 'hosta/audit/1795394797975:46' });
    expect(event.body).toEqual({
      serial: 46,
      guest: { uuid: UUID, name: 'vm1' },
      reason: 'booted',
      success: true,
      qemu_pid: 4711,
      daemon_pid: 141,
    });
  });

  it('a stop', () => {
    expect(only(read(recordFile('selinux-virt-control-stop', 'raw.log')), 'GuestStopped').body).toMatchObject(
      {
        reason: 'migrated',
        success: true,
      },
    );
  });

  it('a failed start', () => {
    const line = userRecord(
      'VIRT_CONTROL',
      `virt=qemu op=start reason=migrated vm="a" uuid=${UUID} vm-pid=0 res=failed`,
    );
    expect(only(read(line), 'GuestStarted').body).toMatchObject({ success: false, qemu_pid: null });
  });

  it.each([
    ['selinux', 'system_u:object_r:svirt_image_t:s0:c12,c345'],
    ['dac', '+64055:+108'],
  ])('the labels of model %s', (model, image_label) => {
    const { body } = only(
      read(recordFile(`selinux-virt-machine-id-${model}`, 'raw.log')),
      'GuestLabelAssigned',
    );
    expect(body).toMatchObject({ model, image_label, source: 'audit', guest: { uuid: UUID } });
  });

  it('a label that is not given', () => {
    const line = userRecord(
      'VIRT_MACHINE_ID',
      `virt=kvm vm="a" uuid=${UUID} vm-ctx=+0:+0 img-ctx=? model=dac res=success`,
    );
    expect(only(read(line), 'GuestLabelAssigned').body.image_label).toBeNull();
  });

  it('a disk', () => {
    const { body } = only(read(recordFile('selinux-virt-resource-disk', 'raw.log')), 'ImageAssigned');
    expect(body).toMatchObject({ reason: 'start', complete: false, replaces: null });
    expect(body.images).toMatchObject([{ role: 'disk', path: '/img/vm1.qcow2', source: 'file' }]);
  });

  it.each([
    [
      'attach',
      'old-disk="?" new-disk="/dev/sdb"',
      [{ path: '/dev/sdb', source: 'block', role: 'disk' }],
      null,
    ],
    ['detach', 'old-disk="/a" new-disk="?"', [], '/a'],
    ['snapshot', 'old-disk="/a" new-disk=2F6220', [{ path: '/b ' }], '/a'],
    ['mirror', 'old-disk="?" new-disk="/m"', [{ path: '/m', role: 'mirror' }], null],
  ])('a disk: %s', (reason, disks, images, replaces) => {
    const line = userRecord(
      'VIRT_RESOURCE',
      `virt=kvm resrc=disk reason=${reason} vm="a" uuid=${UUID} ${disks} res=success`,
    );
    const { body } = only(read(line), 'ImageAssigned');
    expect(body).toMatchObject({ reason, replaces });
    expect(body.images).toMatchObject(images);
  });

  it('names are quoted or hex, and may hold an apostrophe', () => {
    for (const [written, name] of [
      ['"it\'s"', "it's"],
      ['6D79207F766D', 'my \x7fvm'],
      ['"DEADBEEF"', 'DEADBEEF'],
    ]) {
      const line = userRecord(
        'VIRT_CONTROL',
        `virt=kvm op=stop reason=failed vm=${written} uuid=${UUID} vm-pid=0 res=success`,
      );
      expect(only(read(line), 'GuestStopped').body.guest.name).toBe(name);
    }
  });

  it.each([
    [
      'VIRT_RESOURCE',
      `virt=kvm resrc=cgroup reason=deny vm="a" uuid=${UUID} cgroup="/x" class=all res=success`,
    ],
    [
      'VIRT_RESOURCE',
      `virt=kvm resrc=disk reason=attach vm="a" uuid=${UUID} old-disk="?" new-disk="/a" res=failed`,
    ],
    ['VIRT_RESOURCE', `virt=kvm resrc=constructor reason=start vm="a" uuid=${UUID} res=success`],
    ['VIRT_CONTROL', `virt=lxc op=init vm="a" uuid=${UUID} vm-pid=1 init-pid=1 pid-ns=1 res=success`],
    ['SERVICE_START', 'unit=virtlogd comm="systemd" res=success'],
  ])('%s %s is none of ours', (type, message) => {
    const reading = read(userRecord(type, message));
    expect(reading.events).toEqual([]);
    expect(reading.foreignLines).toBe(1);
  });
});

describe('daemons', () => {
  it.each([
    ['SERVICE_START', 'success', 'started'],
    ['SERVICE_STOP', 'success', 'stopped'],
    ['SERVICE_STOP', 'failed', 'failed'],
  ])('%s res=%s: %s', (type, res, change) => {
    const line = userRecord(type, `unit=libvirtd comm="systemd" res=${res}`);
    expect(only(read(line), 'DaemonChanged').body).toEqual({ daemon: 'libvirtd', change });
  });

  it.each([
    ['DAEMON_START', 'started'],
    ['DAEMON_END', 'stopped'],
    ['DAEMON_ABORT', 'failed'],
  ])('%s: auditd %s', (type, change) => {
    const event = only(
      read(`type=${type} msg=audit(1795396656.064:8397): op=x res=success\n`),
      'DaemonChanged',
    );
    expect(event.body).toEqual({ daemon: 'auditd', change });
    expect(event.id).toBe('hosta/audit/1795396656064:8397/auditd');
  });
});
