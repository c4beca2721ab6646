import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirshEventReader } from '../../../src/collect/libvirt/virsh-event.js';
import type { EventSink, Origin } from '../../../src/events/origin.js';
import { accountedBytes, bodies, captured, collect, holds, reasons } from './support.js';

const TS = '2026-11-23 00:47:10.527+0000: ';
const AT_US = Date.UTC(2026, 10, 23, 0, 47, 10, 527) * 1000;
const reader = (origin: Origin, sink: EventSink) => new VirshEventReader(origin, sink);
const read = (text: string) => collect(reader, text);
const guest = (name: string) => ({ uuid: null, name });

const LIFECYCLE = {
  Defined: ['Added', 'Updated', 'Renamed', 'Snapshot'],
  Undefined: ['Removed', 'Renamed'],
  Started: ['Booted', 'Migrated', 'Restored', 'Snapshot', 'Event wakeup'],
  Suspended: [
    ...['Paused', 'Migrated', 'I/O Error', 'Watchdog', 'Restored', 'Snapshot', 'API error'],
    ...['Post-copy', 'Post-copy Error'],
  ],
  Resumed: ['Unpaused', 'Migrated', 'Snapshot', 'Post-copy', 'Post-copy Error'],
  Stopped: ['Shutdown', 'Destroyed', 'Crashed', 'Migrated', 'Saved', 'Failed', 'Snapshot'],
  Shutdown: ['Finished', 'Finished after guest request', 'Finished after host request'],
  PMSuspended: ['Memory', 'Disk'],
  Crashed: ['Panicked', 'Crashloaded'],
};
const LIFECYCLE_PAIRS = Object.entries(LIFECYCLE).flatMap(([event, details]) =>
  details.map((detail) => [event, detail] as const),
);

/** Kind, what follows the name's quote (and its continuation lines), and the detail to be read. */
const OTHER_KINDS: readonly [string, string, string][] = [
  ['reboot', '', ''],
  ['rtc-change', ': -3600', '-3600'],
  ['watchdog', ': inject-nmi', 'inject-nmi'],
  [
    'graphics',
    ': connect local[IPv4 10.0.0.1 5900] remote[unix /a x] vnc\n\tx509dname=C=DE',
    'connect local[IPv4 10.0.0.1 5900] remote[unix /a x] vnc\n\tx509dname=C=DE',
  ],
  ['control-error', '', ''],
  ['block-job', ': Block Copy for /images/a b.raw ready', 'Block Copy for /images/a b.raw ready'],
  ['block-job-2', ': Active Block Commit for vda completed', 'Active Block Commit for vda completed'],
  ['disk-change', ' disk ide0-0-0: /a.iso -> <null>: dropped', 'disk ide0-0-0: /a.iso -> <null>: dropped'],
  ['tray-change', ' disk ide0-0-0: opened', 'disk ide0-0-0: opened'],
  ['pm-wakeup', '', ''],
  ['pm-suspend', '', ''],
  ['pm-suspend-disk', '', ''],
  ['balloon-change', ': 1048576KiB', '1048576KiB'],
  ['device-removed', ': virtio-disk1', 'virtio-disk1'],
  ['device-added', ': virtio-disk1', 'virtio-disk1'],
  ['device-removal-failed', ': virtio-disk1', 'virtio-disk1'],
  ['tunable', ':\n\tcputune.vcpu_period: 100000', '\tcputune.vcpu_period: 100000'],
  [
    'agent-lifecycle',
    ": state: 'connected' reason: 'channel event'",
    "state: 'connected' reason: 'channel event'",
  ],
  ['migration-iteration', ": iteration: '7'", "iteration: '7'"],
  ['job-completed', ':\n\toperation: 4\n\terrmsg: x', '\toperation: 4\n\terrmsg: x'],
  ['metadata-change', ': type element, uri http://a.b/c', 'type element, uri http://a.b/c'],
  ['block-threshold', ': dev: vda[1](/a/b.qcow2) 100 5', 'dev: vda[1](/a/b.qcow2) 100 5'],
  [
    'memory-failure',
    ':\nrecipient: guest\naction: ignore\nflags:\n\taction required: 0\n\trecursive: 1',
    'recipient: guest\naction: ignore\nflags:\n\taction required: 0\n\trecursive: 1',
  ],
  ['memory-device-size-change', ':\nalias: virtiomem0\nsize: 4096', 'alias: virtiomem0\nsize: 4096'],
  [
    'nic-mac-change',
    ':\nalias: net0\noldMAC: 52:54:00:00:00:01\nnewMAC: 52:54:00:00:00:02',
    'alias: net0\noldMAC: 52:54:00:00:00:01\nnewMAC: 52:54:00:00:00:02',
  ],
  [
    'channel-lifecycle',
    ": channel name: 'org.qemu' state: 'connected' reason: 'unknown'",
    "channel name: 'org.qemu' state: 'connected' reason: 'unknown'",
  ],
  ['kind-of-the-future', ': whatever it says', 'whatever it says'],
  ['constructor', ': x', 'x'],
];

const HOSTILE_NAMES = [
  'vm1',
  "it's",
  "vm': Started Booted",
  "event 'lifecycle' for domain 'x': Stopped Destroyed",
  'a: b (c) report due to d',
  "x' disk y: z",
  "': {",
  "'",
  ' ',
  'naïve \u{1f512}',
];

describe('VirshEventReader', () => {
  it.each(LIFECYCLE_PAIRS)('reads lifecycle %s %s for any name', (event, detail) => {
    for (const name of HOSTILE_NAMES) {
      const collected = read(`${TS}event 'lifecycle' for domain '${name}': ${event} ${detail}\n`);
      expect(bodies(collected, 'LifecycleChanged')).toEqual([{ guest: guest(name), event, detail }]);
      expect(collected.events[0]).toMatchObject({ at: AT_US, stream: 'virsh-event', sequence: 0 });
    }
  });

  it.each(OTHER_KINDS)('reads %s with all its lines for any name', (kind, rest, detail) => {
    for (const name of HOSTILE_NAMES) {
      const text = `${TS}event '${kind}' for domain '${name}'${rest}`;
      const collected = read(`${text}\n`);
      expect(bodies(collected, 'DomainEventSeen')).toEqual([{ guest: guest(name), event: kind, detail }]);
      expect(collected.events[0]?.witness.toString()).toBe(text);
      expect(collected.rejected).toEqual([]);
    }
  });

  it.each([
    ['/a/b.qcow2 (virtio-disk0) report', '/a/b.qcow2', 'virtio-disk0', 'report', null],
    ['/a/b.qcow2 (virtio-disk0) report due to message', '/a/b.qcow2', 'virtio-disk0', 'report', 'message'],
    ['/a/b.qcow2 (virtio-disk0) pause due to ', '/a/b.qcow2', 'virtio-disk0', 'pause', ''],
    [' () none due to enospc', null, null, 'none', 'enospc'],
    [' (virtio-disk0) unknown', null, 'virtio-disk0', 'unknown', null],
    ["/it's (a) report due to x (d0) pause", "/it's (a) report due to x", 'd0', 'pause', null],
    ["/a': /b 'c' (d0) report", "/a': /b 'c'", 'd0', 'report', null],
  ])('reads io-error %j from the right', (rest, path, device, action, reason) => {
    for (const name of HOSTILE_NAMES) {
      const collected = read(`${TS}event 'io-error' for domain '${name}': ${rest}\n`);
      expect(bodies(collected, 'GuestIoError')).toEqual([
        { guest: guest(name), path, device, node_name: null, operation: null, action, reason },
      ]);
    }
  });

  it('puts a path with a newline together again', () => {
    const text = `${TS}event 'io-error' for domain 'vm1': /a\nb.raw (virtio-disk0) report`;
    const collected = read(`${text}\n${TS}event 'reboot' for domain 'vm1'\n`);
    expect(bodies(collected, 'GuestIoError')).toMatchObject([{ path: '/a\nb.raw', action: 'report' }]);
    expect(collected.events.map(({ sequence }) => sequence)).toEqual([0, 2]);
  });

  it('keeps an io-error that it cannot take apart', () => {
    const collected = read(`${TS}event 'io-error' for domain 'vm1': something new\n`);
    expect(bodies(collected, 'DomainEventSeen')).toMatchObject([
      { event: 'io-error', detail: 'something new' },
    ]);
  });

  it('holds a continued event only until the next stamp, and a lifecycle event not at all', () => {
    const seen: string[] = [];
    const live = new VirshEventReader(
      { cluster: 'c', host: 'h', boot: null, file: 'f' },
      { event: (event) => seen.push(event.kind), rejected: () => {}, foreign: () => {} },
    );
    live.write(Buffer.from(`${TS}event 'lifecycle' for domain 'a': Resumed Migrated\n`));
    expect(seen).toEqual(['LifecycleChanged']);
    live.write(Buffer.from(`${TS}event 'job-completed' for domain 'a':\n\toperation: 4\n`));
    expect(seen).toHaveLength(1);
    live.write(Buffer.from(`${TS}event 'lifecycle' for domain 'a': Stopped Migrated\n`));
    expect(seen).toEqual(['LifecycleChanged', 'DomainEventSeen', 'LifecycleChanged']);
  });

  it.each(['events received: 3', 'event loop interrupted', 'event loop timed out'])(
    'tells the gap that begins at %j',
    (trailer) => {
      const collected = read(
        `${TS}event 'reboot' for domain 'a'\n${trailer}\n\n${TS}event 'reboot' for domain 'b'\n`,
      );
      expect(bodies(collected, 'GapDetected')).toMatchObject([
        { kind: 'event-stream-ended', of_stream: 'virsh-event', from: AT_US, to: null, detail: trailer },
      ]);
      expect(bodies(collected, 'DomainEventSeen')).toHaveLength(2);
      expect(collected.foreign).toEqual({ lines: 1, bytes: 1 });
    },
  );

  it.each([
    ["event 'lifecycle' for domain 'a': Started Booted\n", 'no-timestamp'],
    ["2026-02-31 00:00:00.000+0000: event 'reboot' for domain 'a'\n", 'bad-stamp'],
    [`${TS}something else\n`, 'malformed-event'],
    [`${TS}event 'lifecycle' for domain 'a\n`, 'malformed-event'],
    ['\toperation: 4\n', 'continuation-without-event'],
    ['events received: 0\n', 'trailer-before-any-event'],
    [`${TS}event 'lifecycle' for domain 'a': Resumed Post-copy`, 'unterminated-line'],
    [`${TS}${'x'.repeat(70_000)}\n`, 'line-too-long'],
  ])('rejects %j', (text, reason) => {
    const collected = read(text);
    expect(reasons(collected)).toEqual([reason]);
    expect(collected.events).toEqual([]);
  });

  it('bounds what one event may take in', () => {
    const collected = read(`${TS}event 'job-completed' for domain 'a':\n${'\tx: 1\n'.repeat(1000)}`);
    expect(collected.events).toHaveLength(1);
    expect(new Set(reasons(collected))).toEqual(new Set(['too-many-continuation-lines']));
  });

  it('gives equal lines of one stamp different ids, and a second reading the same ones', () => {
    const text = `${TS}event 'reboot' for domain 'a'\n`.repeat(3);
    const ids = read(text).events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
    expect(read(text.replaceAll('\n', '\r\n')).events.map(({ id }) => id)).toEqual(ids);
  });

  it('accounts for every byte of hostile names and details', () => {
    const name = fc.oneof(fc.constantFrom(...HOSTILE_NAMES), fc.stringMatching(/^[^\n\r/]{1,20}$/));
    const rest = fc.constantFrom(...OTHER_KINDS.map(([kind, text]) => [kind, text] as const));
    holds(
      fc.property(fc.array(fc.tuple(name, rest), { maxLength: 8 }), (lines) => {
        const text = lines.map(([n, [kind, r]]) => `${TS}event '${kind}' for domain '${n}'${r}\n`).join('');
        const collected = read(text);
        expect(collected.events).toHaveLength(lines.length);
        expect(accountedBytes(collected)).toBe(Buffer.byteLength(text));
      }),
    );
  });

  it('reads the incident of s4-mismatch-fail', () => {
    const collected = captured(reader, 's4-mismatch-fail', 'hosta', 'virsh-event.log');
    const errors = bodies(collected, 'GuestIoError');
    expect(errors).toHaveLength(36);
    expect(errors.filter(({ reason }) => reason === null)).toHaveLength(18);
    expect(errors[1]).toEqual({
      guest: guest('vm1'),
      path: '/var/lib/libvirt/images/nfs/vm1.qcow2',
      device: 'virtio-disk0',
      node_name: null,
      operation: null,
      action: 'report',
      reason: 'message',
    });
  });

  it('reads how post-copy hands the guest over', () => {
    const lifecycle = bodies(captured(reader, 'postcopy', 'hostb', 'virsh-event.log'), 'LifecycleChanged');
    const resumed = lifecycle.filter(({ event }) => event === 'Resumed').map(({ detail }) => detail);
    expect(resumed).toEqual(['Post-copy', 'Migrated']);
  });
});
