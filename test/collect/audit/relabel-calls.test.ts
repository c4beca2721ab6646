import { describe, expect, it } from 'vitest';
import { MAX_OPEN_EVENTS } from '../../../src/collect/audit/assembler.js';
import type { RelabelObserved } from '../../../src/events/event.js';
import { eventsOf, only, read } from './reading.js';

const STAMP = 'msg=audit(1795393756.308:375):';
const CALLER = 'comm="rpc-libvirtd" exe="/usr/sbin/libvirtd" key="vmimg"';
const IDS = 'ppid=534 pid=686 auid=4294967295 uid=0 gid=0 euid=0 tty=(none) ses=4294967295';
const CWD = `type=CWD ${STAMP} cwd="/"`;
const PATH = `type=PATH ${STAMP} item=0 name="/img/a" inode=18446744073709551615 dev=00:2b mode=0100600 ouid=4294967294 ogid=107 rdev=00:00 obj=u:object_r:nfs_t:s0 nametype=NORMAL cap_fp=0`;
const PROCTITLE = `type=PROCTITLE ${STAMP} proctitle="x"`;

interface Call {
  arch?: string;
  nr: number;
  args?: string[];
  result?: string;
  caller?: string;
}

function syscall({
  arch = 'c000003e',
  nr,
  args = [],
  result = 'success=yes exit=0',
  caller = CALLER,
}: Call): string {
  const [a0 = '0', a1 = '0', a2 = '0', a3 = '0'] = args;
  return `type=SYSCALL ${STAMP} arch=${arch} syscall=${nr} ${result} a0=${a0} a1=${a1} a2=${a2} a3=${a3} items=1 ${IDS} ${caller}`;
}

function relabel(call: Call, ...paths: string[]): RelabelObserved {
  const records = [syscall(call), CWD, ...(paths.length > 0 ? paths : [PATH]), PROCTITLE];
  return only(read(`${records.join('\n')}\n`), 'RelabelObserved').body;
}

describe('a call is known by architecture and number', () => {
  it.each([
    [
      'c000003e',
      'x86_64',
      {
        92: 'chown',
        93: 'fchown',
        94: 'lchown',
        260: 'fchownat',
        90: 'chmod',
        91: 'fchmod',
        268: 'fchmodat',
        188: 'setxattr',
        198: 'lremovexattr',
        199: 'fremovexattr',
      },
    ],
    [
      '40000003',
      'i386',
      {
        182: 'chown',
        198: 'lchown',
        207: 'fchown',
        212: 'chown',
        298: 'fchownat',
        306: 'fchmodat',
        226: 'setxattr',
        237: 'fremovexattr',
      },
    ],
    [
      'c00000b7',
      'aarch64',
      {
        5: 'setxattr',
        7: 'fsetxattr',
        14: 'removexattr',
        52: 'fchmod',
        53: 'fchmodat',
        54: 'fchownat',
        55: 'fchown',
      },
    ],
    [
      'c0000015',
      'ppc64le',
      { 181: 'chown', 16: 'lchown', 289: 'fchownat', 297: 'fchmodat', 209: 'setxattr', 218: 'removexattr' },
    ],
    ['80000015', 'ppc64', { 181: 'chown', 95: 'fchown' }],
    [
      '80000016',
      's390x',
      {
        212: 'chown',
        207: 'fchown',
        198: 'lchown',
        291: 'fchownat',
        299: 'fchmodat',
        224: 'setxattr',
        235: 'fremovexattr',
      },
    ],
    ['40000028', 'arm', { 212: 'chown', 325: 'fchownat', 333: 'fchmodat', 226: 'setxattr' }],
  ])('%s is %s', (code, arch, calls) => {
    for (const [nr, call] of Object.entries({
      ...calls,
      452: 'fchmodat2',
      463: 'setxattrat',
      466: 'removexattrat',
    }))
      expect(relabel({ arch: code, nr: Number(nr) })).toMatchObject({ arch, call });
  });

  it.each([
    ['c000003e', 59],
    ['c000003e', 212],
    ['c00000b7', 92],
    ['c00000f3', 5],
    ['c000003e', 4_000_000_000],
  ])('%s %i relabels nothing that we know', (arch, nr) => {
    const reading = read(`${[syscall({ arch, nr }), CWD, PATH, PROCTITLE].join('\n')}\n`);
    expect(reading.events).toEqual([]);
    expect(reading.foreignLines).toBe(4);
  });

  it('x32 programs use the numbers of x86_64 with a bit set', () => {
    expect(relabel({ nr: 0x40000000 + 92, args: ['1', '0', '0'] }).call).toBe('chown');
  });
});

describe('what a call asks for', () => {
  it.each([
    [{ nr: 92, args: ['7f', 'fa37', '6c'] }, 64055, 108],
    [{ nr: 92, args: ['7f', 'ffffffff', 'ffffffffffffffff'] }, null, null],
    [{ nr: 260, args: ['ffffff9c', '7f', '0', '5'] }, 0, 5],
    [{ arch: '40000003', nr: 182, args: ['1', 'ffff', '9'] }, null, 9],
    [{ arch: '40000003', nr: 182, args: ['1', 'abcd0005', 'ffffffff'] }, 5, null],
    [{ arch: '40000003', nr: 212, args: ['1', 'ffff', '10000'] }, 65535, 65536],
  ])('%j: %s:%s', (call, asked_uid, asked_gid) => {
    expect(relabel(call)).toMatchObject({ asked_uid, asked_gid, asked_mode: null });
  });

  it('a mode without the type of the file', () => {
    expect(relabel({ nr: 268, args: ['ffffff9c', '7f', '81b0'] }).asked_mode).toBe(0o660);
  });

  it.each([
    ['1', 'trusted.libvirt'],
    ['a', 'trusted.libvirt'],
    ['d', 'trusted.libvirt'],
    ['2c', 'security.selinux'],
    ['100', 'other'],
  ])("libvirt's xattr of 0x%s bytes is likely %s", (size, attribute) => {
    expect(relabel({ nr: 188, args: ['1', '2', '3', size] })).toMatchObject({
      attribute,
      value_size: Number.parseInt(size, 16),
    });
  });

  it('what libvirt removes is what it remembered', () => {
    expect(relabel({ nr: 197 })).toMatchObject({
      attribute: 'trusted.libvirt',
      attribute_confidence: 'likely',
    });
  });
});

describe('the file', () => {
  it('is the first normal one: overlayfs adds its copies', () => {
    const copy = PATH.replace(
      'item=0 name="/img/a" inode=18446744073709551615',
      'item=1 name=(null) inode=5',
    );
    const parent = copy.replace('nametype=NORMAL', 'nametype=PARENT');
    expect(relabel({ nr: 92 }, parent, PATH, copy)).toMatchObject({
      path: '/img/a',
      inode: '18446744073709551615',
      dev: '0:43',
      before_uid: 4294967294,
      before_gid: 107,
      before_mode: 0o100600,
      before_context: 'u:object_r:nfs_t:s0',
    });
  });

  it.each([
    ['personality', 'per=400000 success=no exit=-1', { success: false, exit: -1 }],
    ['no result', '', { success: null, exit: null }],
  ])('%s', (_what, result, expected) => {
    expect(relabel({ nr: 92, args: ['1', '0', '0'], result })).toMatchObject({
      ...expected,
      asked_uid: 0,
      pid: 686,
    });
  });

  it('keeps a profile of several words as the subject', () => {
    const caller = 'comm="ntpd" exe="/usr/sbin/ntpd" subj==/usr/sbin/ntpd (enforce) key=(null)';
    expect(relabel({ nr: 92, caller })).toMatchObject({ subject: '=/usr/sbin/ntpd (enforce)', key: null });
  });

  it('knows several keys', () => {
    expect(relabel({ nr: 92, caller: 'comm="x" exe=(null) key=6101620D' })).toMatchObject({
      key: 'a\x01b\r',
      exe: null,
    });
  });

  it('on a cgroup, failing to lose an attribute it never had, is noise', () => {
    const onCgroup = PATH.replace('/img/a', '/sys/fs/cgroup/machine.slice');
    const events = [-61, -1].map((exit) => [
      syscall({ nr: 197, result: `success=no exit=${exit}` }),
      CWD,
      onCgroup,
      PROCTITLE,
    ]);
    const [noise, refused] = events.map((records) => read(`${records.join('\n')}\n`));
    expect(noise).toMatchObject({ events: [], foreignLines: 4 });
    expect(only(refused as NonNullable<typeof refused>, 'RelabelObserved').body.exit).toBe(-1);
  });
});

describe('without a system call', () => {
  const avc = (permission: string, verdict = 'granted', rest = 'tclass=file') =>
    `type=AVC ${STAMP} avc:  ${verdict}  { ${permission} } for  pid=103 comm="iou-wrk-9" name="a" dev="0:43" ino=2 scontext=u:r:virtd_t:s0 tcontext=u:object_r:${permission}_t:s0 ${rest}`;

  it.each([
    ['URINGOP', 42, 'uring-setxattr'],
    ['UNKNOWN[1336]', 41, 'uring-fsetxattr'],
  ])('io_uring: %s %i is %s', (type, operation, call) => {
    const uring = `type=${type} ${STAMP} uring_op=${operation} success=yes exit=0 items=0 ${IDS} ${CALLER}`;
    const reading = read(`${[avc('relabelfrom'), avc('relabelto'), uring].join('\n')}\n`);
    expect(only(reading, 'RelabelObserved').body).toMatchObject({
      call,
      attribute: 'security.selinux',
      attribute_confidence: 'certain',
      before_context: 'u:object_r:relabelfrom_t:s0',
      asked_context: 'u:object_r:relabelto_t:s0',
      dev: '0:43',
      inode: '2',
      ppid: 534,
      missing_records: [],
    });
  });

  it('records of a call whose SYSCALL was lost', () => {
    const reading = read(`${[avc('relabelfrom'), avc('relabelto'), CWD, PATH, PROCTITLE].join('\n')}\n`);
    expect(only(reading, 'RelabelObserved').body).toMatchObject({
      call: 'unknown',
      path: '/img/a',
      missing_records: ['SYSCALL'],
    });
    expect(only(reading, 'GapDetected').body.kind).toBe('audit-cut-event');
  });

  it('a refused check alone is a failure', () => {
    const reading = read(`${avc('relabelto', 'denied', 'tclass=file permissive=0')}\n`);
    expect(only(reading, 'RelabelObserved').body).toMatchObject({ call: 'avc-only', success: false });
  });

  it.each(['filesystem', 'tun_socket', 'process'])('a relabel of a %s is no relabel of a file', (tclass) => {
    expect(read(`${avc('relabelto', 'granted', `tclass=${tclass}`)}\n`).events).toEqual([]);
  });

  it('refused accesses are told when a guest or an image is concerned', () => {
    const denied = (source: string, target: string) =>
      read(
        `type=AVC ${STAMP} avc:  denied  { read } for  pid=9 comm="x" name="a" dev="vda" ino=2 scontext=u:r:${source}:s0 tcontext=u:${target}:s0 tclass=file permissive=1\n`,
      );
    for (const [source, target] of [
      ['svirt_t', 'object_r:nfs_t'],
      ['svirt_tcg_t', 'object_r:default_t'],
      ['backup_t', 'object_r:svirt_image_t'],
    ] as const)
      expect(only(denied(source, target), 'AccessDenied').body).toMatchObject({
        permissions: 'read',
        permissive: true,
        dev: null,
      });
    for (const [source, target] of [
      ['svirt_t', 'object_r:sysctl_vm_t'],
      ['svirt_t', 'system_r:virtd_t'],
      ['sshd_t', 'object_r:shadow_t'],
    ] as const)
      expect(denied(source, target).events).toEqual([]);
  });
});

it('holds a bounded number of events that never end', () => {
  const open = Array.from({ length: MAX_OPEN_EVENTS + 100 }, (_, i) =>
    syscall({ nr: 92 }).replace(':375)', `:${i})`),
  );
  const relabels = eventsOf(read(`${open.join('\n')}\n`), 'RelabelObserved');
  expect(relabels).toHaveLength(open.length);
  const handedOnBeforeTheEnd = relabels.filter(({ sequence }) => sequence < open.length);
  expect(handedOnBeforeTheEnd).toHaveLength(98);
});
