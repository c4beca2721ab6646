import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DaemonLogReader } from '../../src/collect/libvirt/daemon-log.js';
import { GuestLogReader } from '../../src/collect/libvirt/guest-log.js';
import { MonitorEventReader } from '../../src/collect/libvirt/monitor-event.js';
import { VirshEventReader } from '../../src/collect/libvirt/virsh-event.js';
import { decodeEvent, encodeEvent } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import type { EventSink, Origin, Reader } from '../../src/events/origin.js';
import { Random } from '../../src/sim/random.js';
import { accountedBytes, captureFiles, chunked, collect } from '../collect/libvirt/support.js';
import { SEEDS } from '../events/seeds.js';
import { Draft, mutate, randomChunks } from './mutations.js';

type MakeReader = (origin: Origin, sink: EventSink) => Reader;

const READERS: { name: string; files: RegExp; make: MakeReader }[] = [
  { name: 'VirshEventReader', files: /^virsh-event\.log$/, make: (o, s) => new VirshEventReader(o, s) },
  {
    name: 'MonitorEventReader',
    files: /^qemu-monitor-event\.log$/,
    make: (o, s) => new MonitorEventReader(o, s),
  },
  { name: 'DaemonLogReader', files: /^libvirtd.*\.log$/, make: (o, s) => new DaemonLogReader(o, s) },
  {
    name: 'GuestLogReader',
    files: /^qemu-(?!monitor-event).*(?<!-serial)\.log$/,
    make: (o, s) => new GuestLogReader(o, s, 'vm1'),
  },
];

const BLOCKS_PER_SEED = 12;
const BLOCK_BYTES = 1 << 19;
const RUN_LINES_MAX = 40;

function linesOf(files: RegExp): Buffer[] {
  return captureFiles(files).flatMap(({ path }) => {
    const bytes = readFileSync(path);
    const lines: Buffer[] = [];
    for (let from = 0; from < bytes.length; ) {
      const to = bytes.indexOf(0x0a, from) + 1 || bytes.length;
      lines.push(bytes.subarray(from, to));
      from = to;
    }
    return lines;
  });
}

/** Stretches of real lines, a part of them damaged. */
function block(lines: Buffer[], random: Random): Buffer {
  const draft = new Draft(BLOCK_BYTES);
  for (;;) {
    const first = random.below(lines.length);
    for (let i = first; i < Math.min(first + RUN_LINES_MAX, lines.length); i++) {
      const line = lines[i] as Buffer;
      if (!draft.hasRoomFor(line)) return draft.written();
      draft.begin(line);
      if (random.chance(1 / 3)) mutate(draft, random, random.pick(lines));
    }
  }
}

/** What is stored is what was read; lone surrogates that JSON smuggled into text of ours become U+FFFD. */
function expectStorable(event: Event): void {
  const read = decodeEvent(encodeEvent(event));
  expect(read.id).toBe(event.id);
  expect(read.witness.equals(event.witness)).toBe(true);
}

describe.each(READERS)('$name', ({ files, make }) => {
  const lines = linesOf(files);

  it.each(SEEDS)(
    'accounts for every byte of damaged logs, and what it makes can be stored (seed %i)',
    (seed) => {
      const random = new Random(seed);
      let events = 0;
      for (let i = 0; i < BLOCKS_PER_SEED; i++) {
        const bytes = block(lines, random);
        const collected = collect(make, [...randomChunks(bytes, random)]);
        const newlineLost = bytes.at(-1) === 0x0a ? 0 : 1;
        expect(accountedBytes(collected)).toBe(bytes.length + newlineLost);
        for (const event of collected.events) if (random.chance(1 / 20)) expectStorable(event);
        events += collected.events.length;
      }
      expect(events).toBeGreaterThan(100);
    },
  );

  it('keeps only the beginning of a line of 10 MB, with or without an end', () => {
    for (const end of ['', '\n']) {
      const bytes = Buffer.concat([Buffer.alloc(10_000_000, '2026-11-23 '), Buffer.from(end)]);
      const collected = collect(make, chunked(bytes, [1, 70_000, 5_000_000]));
      expect(collected.rejected).toMatchObject([{ reason: 'line-too-long', offset: 0 }]);
      expect(collected.rejected[0]?.bytes.length).toBeLessThan(1024);
      expect(accountedBytes(collected)).toBe(10_000_001);
    }
  });
});

const STAMP = '2026-11-23 01:11:47.627+0000: ';

/** 64 KiB at most of what makes a careless pattern try every way to read it. */
const SLOW_LINES = {
  'an IO error of many quotes': `${STAMP}IO error device='${"' node-name='".repeat(2400)}${"' reason='".repeat(3000)}x`,
  'a lock that is never named': `qemu: ${'Failed to get "'.repeat(4000)}`,
  'one word of many programs': 'qemu'.repeat(16_000),
  'an event of many names': `${STAMP}event 'io-error' for domain '${"': (".repeat(15_000)}`,
  'a threshold of many numbers': `${STAMP}event 'block-threshold' for domain 'a': dev: ${'1 '.repeat(30_000)}x`,
  'nested JSON': `${STAMP}event X for domain 'a': {"a":${'['.repeat(60_000)}`,
  'many beginnings of JSON': `${STAMP}event X for domain 'a${`': {"a":"`.repeat(7000)}`,
  'a relabel of many quotes': `${STAMP}1: info : f:1 : Setting SELinux context on '${"' to '".repeat(10_000)}`,
  'a refusal of many endings': `${STAMP}1: info : f:1 : unable to set security context '' on '${"' (errno 1".repeat(6000)}`,
  'a journal line of blanks': `2026-11-23T01:11:47+00:00 ${'a '.repeat(30_000)}`,
};

describe.each(READERS)('$name takes no more than a moment for', ({ make }) => {
  it.each(Object.entries(SLOW_LINES))('%s', (_, line) => {
    expect(line.length).toBeLessThanOrEqual(65_536);
    const bytes = Buffer.from(`${line}\n`.repeat(20));
    expect(accountedBytes(collect(make, [bytes]))).toBe(bytes.length);
  });
});

describe('times that no event can hold are no times', () => {
  it.each([
    '9999-11-23 01:11:47.627',
    '2107-01-01 00:00:00.000',
    '0100-01-01 00:00:00.000',
    '1969-12-31 23:59:59.999',
  ])('%s in virsh’s log', (stamp) => {
    const line = `${stamp}+0000: event 'lifecycle' for domain 'a': Stopped Failed\n`;
    const { events, rejected } = collect((o, s) => new VirshEventReader(o, s), line);
    expect(events).toEqual([]);
    expect(rejected.map(({ reason }) => reason)).toEqual(['bad-stamp']);
  });

  it('in QEMU’s events', () => {
    const line = "event STOP at 8999999999.000000 for domain 'a': <null>\n";
    const { rejected } = collect((o, s) => new MonitorEventReader(o, s), line);
    expect(rejected.map(({ reason }) => reason)).toEqual(['bad-stamp']);
  });

  it('2105 is one', () => {
    const line = "2105-12-31 23:59:59.999+0000: event 'lifecycle' for domain 'a': Stopped Failed\n";
    const { events } = collect((o, s) => new VirshEventReader(o, s), line);
    expect(events).toHaveLength(1);
    expectStorable(events[0] as Event);
  });
});

it('a command line whose disks share their backing files gives an event that can be stored', () => {
  const layers = Array.from(
    { length: 255 },
    (_, i) =>
      `-blockdev '{"node-name":"n${i}","driver":"qcow2","file":{"driver":"file","filename":"/${'a'.repeat(900)}"},"backing":"n${i + 1}"}'`,
  );
  const disks = Array.from({ length: 15_000 }, () => `-blockdev '{"backing":"n0"}'`);
  const log = `${STAMP}starting up\n${['qemu', ...layers, ...disks].join(' \\\n')}\n`;
  const { events } = collect((o, s) => new GuestLogReader(o, s, 'vm1'), log);
  const images = events.find(({ kind }) => kind === 'ImageAssigned') as Event;
  expect(images.body).toMatchObject({ complete: false });
  expectStorable(images);
});
