import { readFileSync, statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DaemonLogReader } from '../../../src/collect/libvirt/daemon-log.js';
import { GuestLogReader } from '../../../src/collect/libvirt/guest-log.js';
import { MonitorEventReader } from '../../../src/collect/libvirt/monitor-event.js';
import { VirshEventReader } from '../../../src/collect/libvirt/virsh-event.js';
import type { EventSink, Origin } from '../../../src/events/origin.js';
import { accountedBytes, captureFiles, chunked, collect, holds, originOf } from './support.js';

const READERS = [
  {
    name: 'VirshEventReader',
    files: /^virsh-event\.log$/,
    make: (origin: Origin, sink: EventSink) => new VirshEventReader(origin, sink),
  },
  {
    name: 'MonitorEventReader',
    files: /^qemu-monitor-event\.log$/,
    make: (origin: Origin, sink: EventSink) => new MonitorEventReader(origin, sink),
  },
  {
    name: 'DaemonLogReader',
    files: /^libvirtd.*\.log$/,
    make: (origin: Origin, sink: EventSink) => new DaemonLogReader(origin, sink),
  },
  {
    name: 'GuestLogReader',
    files: /^qemu-(?!monitor-event).*(?<!-serial)\.log$/,
    make: (origin: Origin, sink: EventSink) => new GuestLogReader(origin, sink, 'vm1'),
  },
];

/** Pieces of every format, so that random input gets past the first character. */
const PIECES = fc.constantFrom(
  '\n',
  '\r\n',
  '\0',
  '\\\n',
  "'",
  '{"',
  '"}',
  "2026-11-23 01:11:48.691+0000: event 'io-error' for domain 'vm1': /a (b) report",
  "2026-11-23 01:11:48.691+0000: event 'job-completed' for domain 'vm1':\n\toperation: 4\n",
  "event STOP at 1.000000 for domain '",
  '2026-11-23 01:11:48.691+0000: event MIGRATION for domain \'vm1\': {"status":"active"}\n',
  "': <null>\n",
  'events received: 1\n',
  "2026-11-23T01:11:47.318079+00:00 hostb libvirtd[3485]: 2026-11-23 01:11:47.317+0000: 3485: info : f:7 : Restoring SELinux context on '/a'\n",
  '2026-11-23 01:11:47.627+0000: starting up x\nqemu \\\n-blockdev \'{"driver":"file","filename":"/a","node-name":"n"}\' \\\n',
  '2026-11-23 01:11:47.627+0000: shutting down, reason=failed\n',
  '2026-11-23T02:19:37.886247Z qemu: Failed to get "write" lock\nIs another process using the image [/a]?\n',
);
const PIECE_BYTES = PIECES.map((text) => Buffer.from(text));
const ANY_BYTES = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));
const INPUT = fc
  .array(fc.oneof(PIECE_BYTES, ANY_BYTES), { maxLength: 40 })
  .map((parts) => Buffer.concat(parts));

describe.each(READERS)('$name', ({ files, make }) => {
  it('takes any bytes, cut anywhere, and loses none', () => {
    holds(
      fc.property(INPUT, fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
        const whole = collect(make, [bytes]);
        expect(collect(make, chunked(bytes, cuts))).toEqual(whole);
        const cutNewline = bytes.length > 0 && bytes.at(-1) !== 0x0a ? 1 : 0;
        expect(accountedBytes(whole)).toBe(bytes.length + cutNewline);
        expect(new Set(whole.events.map(({ id }) => id)).size).toBe(whole.events.length);
      }),
    );
  });

  it('reads every real log without rejecting a line', () => {
    const captures = captureFiles(files);
    expect(captures.length).toBeGreaterThan(40);
    for (const capture of captures) {
      const collected = collect(make, [readFileSync(capture.path)], originOf(capture));
      expect(collected.rejected, capture.path).toEqual([]);
      expect(accountedBytes(collected), capture.path).toBe(statSync(capture.path).size);
    }
  });
});
