import { NO_LABEL } from '../../src/domain/label.js';
import type {
  FindingReport,
  GuestRef,
  RelabelReport,
  Report,
  TimelineEntry,
} from '../../src/domain/report.js';

/** Hand-made reports: what a renderer may be given, without anything that has to be read or correlated first. */

const T0_US = Date.UTC(2026, 10, 23, 1, 11, 40) * 1000;
const VM1: GuestRef = { uuid: '7e570000-0000-4000-8000-000000000001', name: 'vm1' };
export const IMAGE = '/var/lib/libvirt/images/nfs/vm1.qcow2';

export function emptyReport(): Report {
  return { hosts: [], migrations: [], relabels: [], findings: [], timeline: [] };
}

export function atSecond(seconds: number): number {
  return T0_US + Math.round(seconds * 1e6);
}

export function entry(
  host: string,
  seconds: number,
  text: string,
  extra: Partial<TimelineEntry> = {},
): TimelineEntry {
  return {
    at_us: atSecond(seconds),
    host,
    guest: VM1,
    kind: 'LifecycleChanged',
    text,
    event: `${host}/${seconds}/${text}`,
    witness: [`raw line of ${text}`],
    ...extra,
  };
}

export function relabel(extra: Partial<RelabelReport> = {}): RelabelReport {
  return {
    id: 'hostb/audit/1795396308345:1001',
    host: 'hostb',
    at_us: atSecond(7.345),
    serial: 1001,
    call: 'chown',
    success: true,
    guest: VM1,
    image: { path: IMAGE, storage: 'nfs1:/srv/images', inode: '92' },
    before: { ...NO_LABEL, uid: 64055, gid: 64055 },
    after: { ...NO_LABEL, uid: 0, gid: 0 },
    effect: 'changed',
    owner: 'hosta',
    verdict: 'violation',
    reason: 'non-owner-relabel',
    proof: ['P1-failed-incoming'],
    missing: [],
    actor: { exe: '/usr/sbin/libvirtd', comm: 'rpc-libvirtd', pid: 3485, auid: 4294967295 },
    ...extra,
  };
}

export function finding(extra: Partial<FindingReport> = {}): FindingReport {
  return {
    id: 'f-6b1d0c3a',
    kind: 'relabel',
    cause: 'destination-config-mismatch',
    severity: 'critical',
    state: 'open',
    guest: VM1,
    host: 'hostb',
    owner: 'hosta',
    migration: 'm-1',
    images: [{ path: IMAGE, storage: 'nfs1:/srv/images', inode: '92' }],
    opened_us: atSecond(7.345),
    resolved_us: null,
    exposure_ms: null,
    impact: {
      access: 'lost',
      io_errors: 20,
      first_io_error_us: atSecond(8.641),
      paused: false,
      text: 'QEMU on hosta can no longer open the image, and the guest has reported 20 I/O errors.',
    },
    relabels: ['hostb/audit/1795396308345:1001'],
    summary: 'hostb gave the disk of vm1 to 0:0 while the guest ran on hosta',
    explanation:
      'qemu.conf on hostb runs QEMU as 0:0 and on hosta as 64055:64055; libvirt on hostb labelled the image for itself before it started QEMU.',
    remedy: {
      commands: [{ host: 'hosta', command: `chown 64055:64055 ${IMAGE}` }],
      prevention: 'Set user and group in /etc/libvirt/qemu.conf to the same ids on hosta and hostb.',
    },
    verdict: 'violation',
    proof: ['P1-failed-incoming'],
    missing: [],
    revision: 1,
    ...extra,
  };
}

const AUDIT_WITNESS = [
  'type=SYSCALL msg=audit(1795396307.345:1001): arch=c000003e syscall=92 success=yes exit=0 a0=7f36a4001210 a1=0 a2=0 a3=0 items=1 ppid=3427 pid=3485 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="rpc-libvirtd" exe="/usr/sbin/libvirtd" subj=unconfined key="vmimg"\x1dARCH=x86_64 SYSCALL=chown AUID="unset" UID="root"',
  'type=CWD msg=audit(1795396307.345:1001): cwd="/"',
  `type=PATH msg=audit(1795396307.345:1001): item=0 name="${IMAGE}" inode=92 dev=00:2c mode=0100600 ouid=64055 ogid=64055 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0`,
];

/** A failed migration of vm1 from hosta to hostb that takes its disk away. */
export function incident(): Report {
  return {
    hosts: [
      { host: 'hosta', events: 42, first_us: atSecond(0), last_us: atSecond(28), gaps: [] },
      {
        host: 'hostb',
        events: 61,
        first_us: atSecond(1.5),
        last_us: atSecond(27.25),
        gaps: [
          {
            stream: 'audit',
            kind: 'audit-lost',
            from_us: atSecond(20),
            to_us: null,
            lost: 12,
            text: 'the kernel dropped 12 audit records',
          },
        ],
      },
    ],
    migrations: [
      {
        id: 'm-1',
        guest: VM1,
        kind: 'live',
        from: 'hosta',
        to: 'hostb',
        began_us: atSecond(7.1),
        ended_us: atSecond(8.953),
        outcome: 'failed',
        owner_after: 'hosta',
        certainty: 'proven',
        text: 'the incoming QEMU on hostb never started',
      },
    ],
    relabels: [relabel()],
    findings: [finding()],
    timeline: [
      entry('hosta', 0.5, 'vm1 runs here'),
      entry('hostb', 7.1, 'an incoming vm1 is prepared', { kind: 'GuestLabelAssigned' }),
      entry('hostb', 7.345, `chown 0:0 ${IMAGE}`, {
        kind: 'RelabelObserved',
        event: 'hostb/audit/1795396308345:1001',
        witness: AUDIT_WITNESS,
      }),
      ...[8.641, 9.639, 10.644].map((at) =>
        entry('hosta', at, 'vm1: write error on virtio-disk0: Permission denied', { kind: 'GuestIoError' }),
      ),
      entry('hostb', 8.953, 'the start of the incoming vm1 failed', { kind: 'GuestStarted' }),
    ],
  };
}
