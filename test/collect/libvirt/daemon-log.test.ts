import { describe, expect, it } from 'vitest';
import { DaemonLogReader } from '../../../src/collect/libvirt/daemon-log.js';
import type { EventSink, Origin } from '../../../src/events/origin.js';
import { bodies, captured, collect, ORIGIN, reasons } from './support.js';

const reader = (origin: Origin, sink: EventSink) => new DaemonLogReader(origin, sink);
const read = (text: string) => collect(reader, text);
const TS = '2026-11-23 01:11:48.147+0000';
const AT_US = Date.UTC(2026, 10, 23, 1, 11, 48, 147) * 1000;
const DAC = 'virSecurityDACAnything:794';
const SELINUX = 'virSecuritySELinuxAnything:12';
const CONTEXT = 'system_u:object_r:svirt_image_t:s0:c25,c689';
const said = (func: string, message: string) => `${TS}: 3492: info : ${func} : ${message}`;

const NOTHING = {
  guest: null,
  path: null,
  asked_uid: null,
  asked_gid: null,
  asked_context: null,
  migrated: null,
  thread_id: 3492,
};

const owner = (uid: number | null, gid: number | null) => ({ asked_uid: uid, asked_gid: gid });

/** Function, message with PATH in it, what is read. */
const MESSAGES: readonly [string, (path: string) => string, object][] = [
  [
    DAC,
    (p) => `Setting DAC user and group on '${p}' to '64055:108'`,
    { operation: 'set', ...owner(64055, 108) },
  ],
  [
    DAC,
    (p) => `Setting DAC user and group on '${p}' to '-1:4294967295'`,
    { operation: 'set', ...owner(null, null) },
  ],
  [DAC, (p) => `Restoring DAC user and group on '${p}' to 0:0`, { operation: 'restore', ...owner(0, 0) }],
  [
    DAC,
    (p) => `Setting user and group to '0:0' on '${p}' not supported by filesystem`,
    { operation: 'unsupported', ...owner(0, 0) },
  ],
  [
    DAC,
    (p) => `Setting user and group to '0:0' on '${p}' not permitted`,
    { operation: 'not-permitted', ...owner(0, 0) },
  ],
  [
    DAC,
    (p) => `Setting user and group to '0:0' on '${p}' not possible on readonly filesystem`,
    { operation: 'read-only', ...owner(0, 0) },
  ],
  [DAC, (p) => `Skipping image label restore on ${p} because FS is shared`, { operation: 'skip-shared' }],
  [
    SELINUX,
    (p) => `Setting SELinux context on '${p}' to '${CONTEXT}'`,
    { operation: 'set', asked_context: CONTEXT },
  ],
  [SELINUX, (p) => `Restoring SELinux context on '${p}'`, { operation: 'restore' }],
  [
    SELINUX,
    (p) => `Setting security context '${CONTEXT}' on '${p}' not supported`,
    { operation: 'unsupported', asked_context: CONTEXT },
  ],
  [
    SELINUX,
    (p) => `Setting security context '${CONTEXT}' on '${p}' not supported. Consider setting virt_use_nfs`,
    { operation: 'unsupported', asked_context: CONTEXT },
  ],
  [
    SELINUX,
    (p) => `unable to set security context '${CONTEXT}' on '${p}' (errno 13)`,
    { operation: 'not-permitted', asked_context: CONTEXT },
  ],
  [SELINUX, (p) => `Skipping image label restore on ${p} because FS is shared`, { operation: 'skip-shared' }],
];
const PATHS = [
  '/var/lib/libvirt/images/nfs/vm1.qcow2',
  "/a' to '0:0",
  "/a' on '/b not supported",
  '/a b (c): because FS is shared',
];

/** What may stand before libvirt's own prefix. */
const PREFIXES = [
  ['', 'daemon-log'],
  ['2026-11-23T01:11:48.153869+00:00 hostb libvirtd[3492]: ', 'journal'],
  ['2026-11-23T01:11:48+0000 hostb virtqemud[3492]: ', 'journal'],
  ['Nov 23 02:11:48 hostb libvirtd[3492]: ', 'journal'],
] as const;

describe('DaemonLogReader', () => {
  it.each(MESSAGES)('reads what %s says, wherever it says it', (func, message, expected) => {
    for (const path of PATHS) {
      for (const [prefix, source] of PREFIXES) {
        const collected = read(`${prefix}${said(func, message(path))}\n`);
        const model = func === DAC ? 'dac' : 'selinux';
        expect(collected.events.map(({ kind, at }) => [kind, at])).toEqual([['RelabelIntended', AT_US]]);
        expect(bodies(collected, 'RelabelIntended')).toEqual([
          { ...NOTHING, source, model, path, ...expected },
        ]);
      }
    }
  });

  it('reads which guest is restored and whether shared storage is spared', () => {
    for (const name of ['vm1', 'a migrated=0', "it's"]) {
      const collected = read(`${said(DAC, `Restoring security label on ${name} migrated=1`)}\n`);
      expect(bodies(collected, 'RelabelIntended')).toMatchObject([
        { model: 'dac', operation: 'restore-all', guest: { uuid: null, name }, migrated: true },
      ]);
    }
  });

  it('reads a label set through a file descriptor', () => {
    const collected = read(`${said(SELINUX, `Setting SELinux context on fd 31 to '${CONTEXT}'`)}\n`);
    expect(bodies(collected, 'RelabelIntended')).toMatchObject([{ path: null, asked_context: CONTEXT }]);
  });

  it('recognises one saying in every output format of journalctl, but not the file’s as the journal’s', () => {
    const ids = PREFIXES.map(
      ([prefix]) =>
        read(`${prefix}${said(DAC, "Restoring DAC user and group on '/a' to 0:0")}\n`).events[0]?.id,
    );
    expect(ids[1]).toBe(ids[2]);
    expect(ids[1]).toBe(ids[3]);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it.each([
    ['systemd[1]: libvirtd.service: Main process exited, code=killed, status=9/KILL', 'libvirtd', 'failed'],
    [
      'systemd[1]: libvirtd.service: Main process exited, code=exited, status=1/FAILURE',
      'libvirtd',
      'failed',
    ],
    [
      'systemd[1]: libvirtd.service: Main process exited, code=exited, status=0/SUCCESS',
      'libvirtd',
      'stopped',
    ],
    ['systemd[1]: virtqemud.service: Deactivated successfully.', 'virtqemud', 'stopped'],
    ['systemd[1]: Stopped libvirtd.service - libvirt legacy monolithic daemon.', 'libvirtd', 'stopped'],
    ['systemd[1]: Started virtqemud.service - libvirt QEMU daemon.', 'virtqemud', 'started'],
  ])('reads %j', (text, daemon, change) => {
    const collected = read(`2026-11-23T01:18:18.230168+00:00 hostb ${text}\n`);
    expect(bodies(collected, 'DaemonChanged')).toEqual([{ daemon, change }]);
    expect(collected.events[0]?.at).toBe(Date.UTC(2026, 10, 23, 1, 18, 18, 230) * 1000 + 168);
  });

  it('names the daemon that started by its log file', () => {
    const text = `${TS}: 4275: info : libvirt version: 11.3.0, package: 11.3.0-3\n`;
    const origin = { ...ORIGIN, file: '/var/log/libvirt/virtqemud.log' };
    const collected = collect(reader, text, origin);
    expect(bodies(collected, 'DaemonChanged')).toEqual([{ daemon: 'virtqemud', change: 'started' }]);
  });

  it('leaves alone what is none of its business', () => {
    const text = [
      '-- No entries --',
      said('virDomainAuditLifecycle:739', 'success=no virt=qemu op=start reason=booted vm="vm1" vm-pid=0'),
      said('qemuProcessReportLogError:1971', 'internal error: x: Failed to get "write" lock'),
      'Is another process using the image [/a]?',
      '2026-11-23T01:18:18.247118+00:00 hostb systemd[1]: Stopping libvirtd.service - x...',
      '2026-11-23T01:18:18.247118+00:00 hostb sshd[1]: Restoring DAC user and group',
      '',
    ];
    const collected = read(`${text.join('\n')}\n`);
    expect(collected.foreign.lines).toBe(text.length);
    expect(collected.events).toEqual([]);
    expect(collected.rejected).toEqual([]);
  });

  it.each([
    ['garbage\n', 'no-prefix'],
    ['2026-11-23 01:11:48.147+0000 missing colon\n', 'malformed-line'],
    [`${said(DAC, 'x').replace('2026-11', '2026-13')}\n`, 'bad-stamp'],
    [`${said(DAC, "Setting DAC user and group on '/a")}\n`, 'malformed-security-message'],
    ['Nov 23 02:11:48 hostb systemd[1]: Stopped libvirtd.service - x.\n', 'stamp-without-year'],
  ])('rejects %j', (text, reason) => {
    expect(reasons(read(text))).toEqual([reason]);
  });

  it('finds in the journal the child that relabels the image in s4-mismatch-fail', () => {
    const collected = captured(reader, 's4-mismatch-fail', 'hostb', 'libvirtd-journal.log');
    const images = bodies(collected, 'RelabelIntended').filter(({ path }) => path?.includes('/images/nfs/'));
    expect(images.map(({ path, asked_uid, thread_id }) => [path, asked_uid, thread_id])).toEqual([
      ['/var/lib/libvirt/images/nfs/vm1.qcow2', 0, 3492],
      ['/var/lib/libvirt/images/nfs/base.raw', 0, 3492],
    ]);
  });

  it('finds the restore that does not spare shared storage in bounce-restart', () => {
    const collected = captured(reader, 'bounce-restart', 'hostb', 'libvirtd.log');
    const restores = bodies(collected, 'RelabelIntended').filter(
      (intent) => intent.operation === 'restore-all',
    );
    expect(restores).toMatchObject([{ guest: { name: 'vm1' }, migrated: false }]);
    expect(bodies(collected, 'DaemonChanged')).toEqual([{ daemon: 'libvirtd', change: 'started' }]);
  });
});
