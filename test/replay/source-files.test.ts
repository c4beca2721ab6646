import { describe, expect, it } from 'vitest';
import { byAge, guestOfLog, isGuestConsole } from '../../src/collect/tail/rotated-names.js';
import { streamFileOf } from '../../src/replay/source-files.js';

describe('streamFileOf', () => {
  it.each([
    ['audit.log', 'audit'],
    ['audit.log.3', 'audit'],
    ['audit.log.1.gz', 'audit'],
    ['audit.log-20261123', 'audit'],
    ['audit.log-20261123.gz', 'audit'],
    ['audit.log-2026-11-23', 'audit'],
    ['audit.log-20261123-1795396298.gz', 'audit'],
    ['audit-plugin.log', 'audit-plugin'],
    ['virsh-event.log.1', 'virsh-event'],
    ['qemu-monitor-event.log', 'qemu-monitor-event'],
    ['libvirtd.log', 'daemon-log'],
    ['libvirtd-journal.log', 'daemon-log'],
    ['virtqemud.log.2.gz', 'daemon-log'],
    ['qemu-vm1.log', 'guest-log'],
    ['qemu-my vm\n.log', 'guest-log'],
  ])('knows %j as %s', (name, role) => {
    expect(streamFileOf(name)?.role).toBe(role);
  });

  it.each([
    'audit.log.swp',
    'audit.log.bak',
    'audit.logs',
    'my-audit.log',
    'audit.log.1.zip',
    'mountinfo',
    'qemu.conf',
    't1',
    '',
  ])('does not take %j for a log', (name) => {
    expect(streamFileOf(name)).toBeNull();
  });

  it('gives rotated files of one stream the same base', () => {
    const names = ['audit.log', 'audit.log.10', 'audit.log-20261123.gz'];
    expect(new Set(names.map((name) => streamFileOf(name)?.base))).toEqual(new Set(['audit.log']));
  });
});

describe('byAge', () => {
  it('puts dated files first, then numbers from the highest, then the current file', () => {
    const oldestFirst = [
      'audit.log-20261121.gz',
      'audit.log-20261122',
      'audit.log.10',
      'audit.log.9.gz',
      'audit.log.1',
      'audit.log',
    ];
    expect([...oldestFirst].reverse().sort(byAge)).toEqual(oldestFirst);
  });
});

describe('guestOfLog', () => {
  it.each([
    ['/c/hosta/qemu-vm1.log', 'vm1'],
    ['/c/hosta/qemu-vm1.log.2.gz', 'vm1'],
    ['/var/log/libvirt/qemu/web.log', 'web'],
    ['qemu-a.b-c.log-20261123', 'a.b-c'],
  ])('of %s is %s', (path, guest) => {
    expect(guestOfLog(path)).toBe(guest);
  });
});

describe('isGuestConsole', () => {
  it('keeps a console that the guest writes apart from the log that libvirt writes', () => {
    const bases = new Set(['qemu-vm1.log', 'qemu-vm1-serial.log', 'qemu-db-serial.log']);
    expect(isGuestConsole('qemu-vm1-serial.log', bases)).toBe(true);
    expect(isGuestConsole('qemu-db-serial.log', bases)).toBe(false);
  });
});
