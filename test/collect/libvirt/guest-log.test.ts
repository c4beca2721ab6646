import { describe, expect, it } from 'vitest';
import { GuestLogReader } from '../../../src/collect/libvirt/guest-log.js';
import type { EventSink, Origin } from '../../../src/events/origin.js';
import { accountedBytes, bodies, captured, collect, reasons } from './support.js';

const reader = (origin: Origin, sink: EventSink) => new GuestLogReader(origin, sink, 'vm1');
const read = (text: string) => collect(reader, text);
const TS = '2026-11-23 01:11:47.627+0000: ';
const UUID = '7e570000-0000-4000-8000-000000000001';
const started = (args: string[]) =>
  read(
    `${TS}starting up libvirt version: 11.3.0\nLC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n${args.join(' \\\n')}\n`,
  );
const image = (role: string, path: string | null, more = {}) => ({
  role,
  path,
  source: 'file',
  target: null,
  read_only: false,
  shareable: false,
  relabel_dac: null,
  relabel_selinux: null,
  ...more,
});

describe('GuestLogReader: the command line of a start', () => {
  it('follows block nodes from the disk down its backing chain', () => {
    const collected = started([
      '-name guest=vm1,debug-threads=on',
      `-uuid ${UUID.toUpperCase()}`,
      `-blockdev '{"driver":"file","filename":"/i/base.raw","node-name":"libvirt-3-storage","read-only":true}'`,
      `-blockdev '{"driver":"file","filename":"/i/mid.qcow2","node-name":"libvirt-2-storage","auto-read-only":true}'`,
      `-blockdev '{"node-name":"libvirt-2-format","read-only":true,"driver":"qcow2","file":"libvirt-2-storage","backing":"libvirt-3-storage"}'`,
      `-blockdev '{"driver":"file","filename":"/i/top '\\''a'\\'' b.qcow2","node-name":"libvirt-1-storage","auto-read-only":true}'`,
      `-blockdev '{"node-name":"libvirt-1-format","read-only":false,"driver":"qcow2","file":"libvirt-1-storage","backing":"libvirt-2-format"}'`,
      `-device '{"driver":"virtio-blk-pci","drive":"libvirt-1-format","id":"virtio-disk0"}'`,
      `-blockdev '{"driver":"file","filename":"/i/shared.raw","node-name":"libvirt-4-storage","read-only":false}'`,
      `-device '{"driver":"virtio-blk-pci","share-rw":true,"drive":"libvirt-4-storage"}'`,
      `-blockdev '{"driver":"host_device","filename":"/dev/vg/lv","node-name":"libvirt-5-storage"}'`,
      `-blockdev '{"driver":"rbd","pool":"p","image":"i","node-name":"libvirt-6-storage"}'`,
      `-blockdev '{"driver":"file","filename":"/dev/fdset/2","node-name":"libvirt-7-storage"}'`,
      '-kernel /i/vmlinuz',
      '-initrd /i/initrd',
      '-msg timestamp=on',
    ]);
    expect(bodies(collected, 'ImageAssigned')).toEqual([
      {
        serial: null,
        source: 'guest-log',
        guest: { uuid: UUID, name: 'vm1' },
        reason: 'start',
        complete: true,
        replaces: null,
        images: [
          image('disk', "/i/top 'a' b.qcow2"),
          image('backing', '/i/mid.qcow2', { read_only: true }),
          image('backing', '/i/base.raw', { read_only: true }),
          image('disk', '/i/shared.raw', { shareable: true }),
          image('disk', '/dev/vg/lv', { source: 'block' }),
          image('disk', null, { source: 'network' }),
          image('disk', null, { source: 'other' }),
          image('kernel', '/i/vmlinuz'),
          image('initrd', '/i/initrd'),
        ],
      },
    ]);
    expect(bodies(collected, 'DomainEventSeen')).toMatchObject([
      { event: 'guest-log:starting-up', guest: { uuid: UUID, name: 'vm1' } },
    ]);
    expect(new Set(collected.events.map(({ id }) => id)).size).toBe(2);
  });

  it('tells the firmware’s variables from its code', () => {
    const collected = started([
      `-blockdev '{"driver":"file","filename":"/fw/CODE.fd","node-name":"libvirt-pflash0-storage","read-only":true}'`,
      `-blockdev '{"driver":"file","filename":"/nv/vm1_VARS.fd","node-name":"libvirt-pflash1-storage","read-only":false}'`,
      '-machine pc-q35,usb=off,pflash0=libvirt-pflash0-storage,pflash1=libvirt-pflash1-storage',
      '-msg timestamp=on',
    ]);
    expect(bodies(collected, 'ImageAssigned')[0]?.images).toEqual([
      image('other', '/fw/CODE.fd', { read_only: true }),
      image('nvram', '/nv/vm1_VARS.fd'),
    ]);
  });

  it('reads the older -drive, whose chains QEMU follows by itself', () => {
    const collected = started([
      '-drive file=/fw/CODE.fd,if=pflash,format=raw,unit=0,readonly=on',
      '-drive file=/nv/VARS.fd,if=pflash,format=raw,unit=1',
      '-drive file=/i/a,,b.qcow2,format=qcow2,if=none,id=drive-virtio-disk0',
      '-drive file=rbd:pool/image,format=raw,if=none',
      '-msg timestamp=on',
    ]);
    expect(bodies(collected, 'ImageAssigned')).toMatchObject([
      {
        complete: false,
        images: [
          image('other', '/fw/CODE.fd', { read_only: true }),
          image('nvram', '/nv/VARS.fd'),
          image('disk', '/i/a,b.qcow2'),
          image('disk', null, { source: 'network' }),
        ],
      },
    ]);
  });

  it.each([
    [
      'a backing file is left to the header',
      `'{"driver":"qcow2","node-name":"a","file":{"driver":"file","filename":"/x"}}'`,
    ],
    ['a node is missing', `'{"driver":"qcow2","node-name":"a","file":"gone","backing":null}'`],
    ['nodes go round in a circle', `'{"driver":"raw","node-name":"a","file":{"driver":"raw","file":"a"}}'`],
    ['JSON is damaged', `'{"driver":"file","filename":"/x'`],
  ])('does not call a list complete when %s', (_, blockdev) => {
    const collected = started([`-blockdev ${blockdev}`, '-msg timestamp=on']);
    expect(bodies(collected, 'ImageAssigned')).toMatchObject([{ complete: false }]);
  });

  it('does not call a list complete that the next stamp or the end cut off', () => {
    const cut = `${TS}starting up libvirt\n/usr/bin/qemu \\\n-blockdev '{"driver":"file","filename":"/x","node-name":"a"}' \\\n`;
    for (const text of [cut, `${cut}${TS}shutting down, reason=failed\n`]) {
      expect(bodies(read(text), 'ImageAssigned')).toMatchObject([
        { complete: false, images: [{ path: '/x' }] },
      ]);
    }
  });

  it('reads a quoted newline as part of the command line', () => {
    const collected = started([`-kernel '/a\nb'`, '-msg timestamp=on']);
    expect(bodies(collected, 'ImageAssigned')).toMatchObject([
      { complete: true, images: [{ path: '/a\nb' }] },
    ]);
  });
});

describe('GuestLogReader: the other lines', () => {
  it('reads the owner that QEMU runs as, for the guest that was started', () => {
    const text = `${TS}starting up\nqemu -uuid ${UUID}\n${TS}3238: debug : virExecCommon:456 : Setting child uid:gid to 64055:108 with caps 0\n`;
    expect(bodies(read(text), 'GuestLabelAssigned')).toEqual([
      {
        serial: null,
        source: 'guest-log',
        guest: { uuid: UUID, name: 'vm1' },
        model: 'dac',
        process_label: '+64055:+108',
        image_label: '+64055:+108',
      },
    ]);
  });

  it('reads I/O errors', () => {
    const text = `${TS}IO error device='' node-name='libvirt-1-format' reason='it's denied'\n`;
    expect(bodies(read(text), 'GuestIoError')).toEqual([
      {
        guest: { uuid: null, name: 'vm1' },
        path: null,
        device: null,
        node_name: 'libvirt-1-format',
        operation: null,
        action: 'unknown',
        reason: "it's denied",
      },
    ]);
  });

  it('reads what QEMU says about images it cannot have, with its second line', () => {
    const qemu = '2026-11-23T02:19:37.886247Z qemu-system-x86_64: ';
    const lock = `${qemu}-blockdev {}: Failed to get "write" lock\nIs another process using the image [/a]?\n`;
    const denied = `${qemu}Could not open '/a': Permission denied\n`;
    const collected = read(`${lock}${denied}${qemu}terminating on signal 15 from pid 1\n`);
    expect(bodies(collected, 'DomainEventSeen').map(({ event, detail }) => [event, detail])).toEqual([
      [
        'guest-log:qemu-error',
        'qemu-system-x86_64: -blockdev {}: Failed to get "write" lock\nIs another process using the image [/a]?',
      ],
      ['guest-log:qemu-error', "qemu-system-x86_64: Could not open '/a': Permission denied"],
    ]);
    expect(collected.events[0]?.at).toBe(Date.UTC(2026, 10, 23, 2, 19, 37, 886) * 1000 + 247);
    expect(collected.foreign.lines).toBe(1);
  });

  it('places an error without a stamp behind the last stamp, or rejects it', () => {
    const error = "qemu-system-x86_64: Could not open '/a': Permission denied\n";
    expect(read(`${TS}initiating migration\n${error}`).events[0]?.at).toBe(
      Date.UTC(2026, 10, 23, 1, 11, 47, 627) * 1000,
    );
    expect(reasons(read(error))).toEqual(['no-timestamp']);
  });

  it('reads every part of a real failed start, and accounts for each byte', () => {
    const collected = captured(reader, 's4-squash', 'hostb', 'qemu-vm3.log');
    expect(collected.events.map(({ kind }) => kind)).toEqual([
      'DomainEventSeen',
      'ImageAssigned',
      'GuestLabelAssigned',
      'DomainEventSeen',
      'DomainEventSeen',
    ]);
    expect(bodies(collected, 'DomainEventSeen').map(({ event }) => event)).toEqual([
      'guest-log:starting-up',
      'guest-log:qemu-error',
      'guest-log:shutting-down',
    ]);
    expect(accountedBytes(collected)).toBeGreaterThan(1000);
  });
});

it('GuestLogReader tells equal lines of two guests apart, and knows its own again', () => {
  const line = `${TS}shutting down, reason=destroyed\n`;
  const ids = ['vm1', 'vm2', 'vm1'].map((guest) => {
    const { events } = collect((origin, sink) => new GuestLogReader(origin, sink, guest), line);
    return events.map(({ id }) => id);
  });
  expect(ids[0]).toHaveLength(1);
  expect(ids[0]).not.toEqual(ids[1]);
  expect(ids[0]).toEqual(ids[2]);
});
