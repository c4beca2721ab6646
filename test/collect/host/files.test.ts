import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { snapshotParserFor } from '../../../src/collect/host/files.js';
import { MigrationAuditError } from '../../../src/domain/errors.js';
import { AT_US, captured, capturedFiles, facts, snapshot } from './support.js';

const NAMES = [
  ...['auditctl-l', 'auditctl-s', 'capabilities.xml', 'domain-vm1.xml', 'domstate-vm1', 'exports', 'etab'],
  ...['exportfs-v', 'getenforce', 'getsebool-a', 'getent-group', 'getent-passwd', 'group', 'passwd'],
  ...['host-uuid', 'hostname', 'id-libvirt-qemu', 'kernel-release', 'lsm', 'machine-id', 'mountinfo'],
  ...['qemu.conf', 'virsh-version'],
];

describe('snapshotParserFor', () => {
  it('knows every snapshot and its earlier copy by name', () => {
    for (const name of NAMES) {
      expect(snapshotParserFor(name), name).not.toBeNull();
      expect(snapshotParserFor(`${name}.before`), name).not.toBeNull();
    }
  });

  it.each([
    ...['audit.log', 'virsh-event.log', 'libvirtd.conf', 'auditd.conf', 't0', 'domain-.xml', 'id-', ''],
    ...['constructor', '__proto__', 'toString', 'qemu-vm1-serial.log'],
  ])('does not take %j for one', (name) => {
    expect(snapshotParserFor(name)).toBeNull();
  });

  it('reads every snapshot of every capture without leaving a line', () => {
    let read = 0;
    for (const { scenario, host, name } of capturedFiles()) {
      if (!snapshotParserFor(name)) continue;
      read++;
      const events = snapshot(name, captured(scenario, host, name));
      const where = `${scenario}/${host}/${name}`;
      expect(
        events.filter(({ kind }) => kind === 'GapDetected'),
        where,
      ).toEqual([]);
      expect(events.length, where).toBeGreaterThan(0);
      expect(new Set(events.map(({ id }) => id)).size, where).toBe(events.length);
      for (const event of events)
        expect(event).toMatchObject({ at: AT_US, stream: 'host-facts', sequence: 0 });
    }
    expect(read).toBeGreaterThan(800);
  });

  it('keeps the same status before and after apart', () => {
    const status = captured('audit-stress-lost', 'hosta', 'auditctl-s');
    const [after] = snapshot('auditctl-s', status);
    const [before] = snapshot('auditctl-s.before', status);
    expect(after?.id).not.toBe(before?.id);
    expect([after?.body, before?.body]).toMatchObject([
      { origin: 'auditctl-s', audit: { lost: 527412 } },
      { origin: 'auditctl-s.before', audit: { lost: 527412 } },
    ]);
  });

  it('leaves every part null that the file does not tell', () => {
    expect(facts('hostname', 'hosta\n')).toEqual({
      origin: 'hostname',
      host_name: 'hosta',
      host_uuid: null,
      machine_id: null,
      kernel: null,
      libvirt_version: null,
      mounts: null,
      exports: null,
      qemu_conf: null,
      security_models: null,
      selinux_mode: null,
      selinux_booleans: null,
      users: null,
      groups: null,
      audit: null,
      audit_rules: null,
    });
  });

  it('refuses what is too large to be one', () => {
    for (const name of NAMES) {
      expect(() => snapshot(name, Buffer.alloc(8 * 1024 * 1024 + 1))).toThrow(MigrationAuditError);
    }
  });

  it('takes any bytes: facts, a gap, or an error with a code', () => {
    const piece = fc.constantFrom(
      ...[
        '\n',
        '\\',
        '"',
        "'",
        '"""',
        '[',
        ']',
        '#',
        '=',
        ' ',
        ',',
        ':',
        '\0',
        '<a b="',
        '</',
        '&#x0;',
        '<!--',
      ],
      ...[
        '<domain id="1">',
        '<disk type="file">',
        '<source file="/x"/>',
        '<backingStore>',
        '</domain>',
        'user = ',
      ],
      ...['36 35 98:0 / /mnt rw - ext4 /dev/a rw', '/srv a(rw)', 'uid=0(root) gid=0(root)', 'root:x:0:0:::'],
      ...[
        'enabled 1',
        'lost 0',
        'running (booted)',
        '-a always,exit',
        'virt_use_nfs --> on',
        '\\040',
        '\\777',
      ],
    );
    const bytes = fc
      .array(fc.oneof(piece.map(Buffer.from), fc.uint8Array({ maxLength: 8 }).map(Buffer.from)), {
        maxLength: 30,
      })
      .map((parts) => Buffer.concat(parts));
    const takesAll = fc.property(fc.constantFrom(...NAMES), bytes, (name, content) => {
      try {
        snapshot(name, content);
      } catch (error) {
        expect(error).toBeInstanceOf(MigrationAuditError);
      }
    });
    fc.assert(takesAll, { seed: 20261123, numRuns: 1000 });
    fc.assert(takesAll, { numRuns: 1000 });
  });

  it.each([
    ['qemu.conf', '', '#\n'],
    ['qemu.conf', 'a = [ ', '"", '],
    ['exports', '', '"'],
    ['exports', '/a ', 'a"'],
    ['lsm', 'a', ',a'],
    ['virsh-version', 'Using library: libvirt 1', '.1'],
    ['domain-vm1.xml', '<domain>', '<a>'],
    ['mountinfo', '', ' '],
  ])('is not overwhelmed by a %s of %j and megabytes of %j', (name, start, pattern) => {
    const content = Buffer.alloc(8 * 1024 * 1024, pattern);
    content.write(start);
    try {
      expect(snapshot(name, content).length).toBeLessThanOrEqual(2);
    } catch (error) {
      expect(error).toBeInstanceOf(MigrationAuditError);
    }
  });
});
