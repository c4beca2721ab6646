import { describe, expect, it } from 'vitest';
import { MonitorEventReader } from '../../../src/collect/libvirt/monitor-event.js';
import type { EventSink, Origin } from '../../../src/events/origin.js';
import { bodies, captured, collect, reasons } from './support.js';

const reader = (origin: Origin, sink: EventSink) => new MonitorEventReader(origin, sink);
const read = (text: string) => collect(reader, text);
const IO_ERROR =
  '{"device":"","nospace":false,"node-name":"libvirt-1-format","qom-path":"/machine/x","reason":"Permission denied","operation":"write","action":"report"}';

/** Both forms that virsh prints; the second has QEMU's own time. */
const FORMS: readonly [string, (event: string, name: string, data: string) => string, number][] = [
  [
    '--timestamp',
    (event, name, data) => `2026-11-23 00:47:10.527+0000: event ${event} for domain '${name}': ${data}\n`,
    Date.UTC(2026, 10, 23, 0, 47, 10, 527) * 1000,
  ],
  [
    "QEMU's own time",
    (event, name, data) => `event ${event} at 1795396298.074566 for domain '${name}': ${data}\n`,
    1795396298074566,
  ],
];
const NAMES = ['vm1', "it's", "x': <null>", `x': ${IO_ERROR}`, "x': {", "' at 1.000000 for domain '"];

describe.each(FORMS)('MonitorEventReader with %s', (_, line, at) => {
  it.each(NAMES)('reads every event of a guest named %j', (name) => {
    const guest = { uuid: null, name };
    const collected = read(
      line('STOP', name, '<null>') +
        line('RESUME', name, '<null>') +
        line('MIGRATION', name, '{"status":"pre-switchover"}') +
        line('MIGRATION_PASS', name, '{"pass":3}') +
        line('BLOCK_IO_ERROR', name, IO_ERROR) +
        line('SHUTDOWN', name, '{"guest":false,"reason":"host-signal"}'),
    );
    expect(collected.rejected).toEqual([]);
    expect(collected.foreign.lines).toBe(1);
    expect(collected.events.map(({ kind, at: time, body }) => ({ kind, time, body }))).toEqual([
      { kind: 'VcpusStopped', time: at, body: { guest } },
      { kind: 'VcpusResumed', time: at, body: { guest } },
      { kind: 'MigrationStatusChanged', time: at, body: { guest, status: 'pre-switchover' } },
      {
        kind: 'GuestIoError',
        time: at,
        body: {
          guest,
          path: null,
          device: '/machine/x',
          node_name: 'libvirt-1-format',
          operation: 'write',
          action: 'report',
          reason: 'Permission denied',
        },
      },
      {
        kind: 'DomainEventSeen',
        time: at,
        body: { guest, event: 'qmp:SHUTDOWN', detail: '{"guest":false,"reason":"host-signal"}' },
      },
    ]);
  });

  it('rejects JSON cut at any place', () => {
    for (let length = 0; length < IO_ERROR.length; length++) {
      const collected = read(line('BLOCK_IO_ERROR', 'vm1', IO_ERROR.slice(0, length)));
      expect(reasons(collected)).toEqual(['bad-json']);
    }
  });
});

describe('MonitorEventReader', () => {
  it.each([
    ["event STOP for domain 'a': <null>\n", 'no-timestamp'],
    ['garbage\n', 'malformed-line'],
    ["2026-13-23 00:47:10.527+0000: event STOP for domain 'a': <null>\n", 'bad-stamp'],
    ["event STOP at 99999999999.000000 for domain 'a': <null>\n", 'bad-stamp'],
    ['event MIGRATION at 1.000000 for domain \'a\': {"status":7}\n', 'unexpected-data'],
    ["event MIGRATION at 1.000000 for domain 'a': <null>\n", 'unexpected-data'],
    ["event X at 1.000000 for domain 'a': [1]\n", 'bad-json'],
  ])('rejects %j', (text, reason) => {
    expect(reasons(read(text))).toEqual([reason]);
  });

  it('does not search long in a name full of what looks like data', () => {
    const text = `event X at 1.000000 for domain '${"': {".repeat(15_000)}\n`;
    expect(reasons(read(text))).toEqual(['bad-json']);
  });

  it('tells the gap after which virsh saw nothing', () => {
    const collected = captured(reader, 'bounce-restart', 'hostb', 'qemu-monitor-event.log');
    expect(bodies(collected, 'GapDetected')).toMatchObject([
      {
        kind: 'event-stream-ended',
        of_stream: 'qemu-monitor-event',
        from: collected.events.at(-1)?.at,
        to: null,
      },
    ]);
  });

  it('reads the hand-over of a live migration on the source', () => {
    const { events } = captured(reader, 'ok', 'hosta', 'qemu-monitor-event.log');
    expect(events.map(({ kind }) => kind)).toContain('VcpusStopped');
    expect(events.map(({ kind }) => kind)).not.toContain('VcpusResumed');
  });
});
