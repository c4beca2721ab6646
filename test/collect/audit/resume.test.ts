import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMemory, writeMemory } from '../../../src/collect/audit/memory.js';
import { AuditReader } from '../../../src/collect/audit/reader.js';
import type { Event } from '../../../src/events/event.js';
import { CAPTURES, facts, read } from './reading.js';

const LOGS = readdirSync(CAPTURES).flatMap((capture) =>
  readdirSync(join(CAPTURES, capture), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(CAPTURES, capture, entry.name, 'audit.log'))
    .filter((path) => readdirSync(join(path, '..')).includes('audit.log')),
);

/**
 * Reads a log in steps; after some of them the reader is thrown away, with all that it held, and another one goes on
 * from where it said. What was handed on twice counts once, as the event log has it.
 */
function readWithCrashes(log: Buffer, steps: readonly { bytes: number; crash: boolean }[]): Event[] {
  const events = new Map<string, Event>();
  const readerFrom = (memory: string) =>
    new AuditReader(
      { cluster: 'lab', host: 'hosta', boot: null, file: 'audit.log' },
      {
        event: (event) => events.set(event.id, events.get(event.id) ?? event),
        rejected: () => {},
        foreign: () => {},
      },
      memory,
    );
  let reader = readerFrom('');
  let at = 0;
  for (const { bytes, crash } of steps) {
    reader.write(log.subarray(at, at + bytes));
    at = Math.min(log.length, at + bytes);
    const unsettled = reader.unsettled_bytes();
    if (!crash) continue;
    at -= unsettled;
    reader = readerFrom(reader.memory());
  }
  reader.write(log.subarray(at));
  reader.end();
  return [...events.values()];
}

function byId(events: readonly unknown[]): unknown[] {
  return [...(events as { id: string }[])].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const step = fc.record({ bytes: fc.integer({ min: 1, max: 20_000 }), crash: fc.boolean() });

describe('a reader that goes on where another one stopped', () => {
  it('hands on, with it, what one reader alone does', () => {
    expect(LOGS.length).toBeGreaterThan(20);
    fc.assert(
      fc.property(fc.constantFrom(...LOGS), fc.array(step, { maxLength: 60 }), (path, steps) => {
        const log = readFileSync(path);
        const resumed = { ...read(''), events: readWithCrashes(log, steps) };
        expect(byId(facts(resumed))).toEqual(byId(facts(read(log))));
      }),
      { numRuns: 300, seed: 20_261_124 },
    );
  });

  it('tells serials that were lost between the two', () => {
    const line = (serial: number) =>
      `type=VIRT_CONTROL msg=audit(1795396298.${String(serial).padStart(3, '0')}:${serial}): pid=1 uid=0 auid=0 ses=0 msg='virt=kvm op=stop reason=shutdown vm="a" uuid=7e570000-0000-4000-8000-000000000001 vm-pid=0 exe="/usr/sbin/libvirtd" res=success'\n`;
    const first = Buffer.from(line(100));
    const rest = Buffer.from(Array.from({ length: 200 }, (_, i) => line(110 + i)).join(''));
    const log = Buffer.concat([first, rest]);
    const events = readWithCrashes(log, [{ bytes: first.length, crash: true }]);
    expect(events.filter(({ kind }) => kind === 'GapDetected')).toMatchObject([
      { body: { kind: 'audit-serial-gap', serial_from: 101, serial_to: 109, lost: 9 } },
    ]);
  });

  it('never lags behind by more than the log writes while an event is open', () => {
    const open = 'type=SYSCALL msg=audit(1795396208.001:100): arch=c000003e syscall=92 success=yes exit=0\n';
    const other = (ms: number, serial: number) =>
      `type=USER_CMD msg=audit(${((1_795_396_208_000 + ms) / 1000).toFixed(3)}:${serial}): pid=1 uid=0 auid=0 ses=0 msg='cwd="/" cmd="x" exe="/usr/bin/sudo" terminal=? res=success'\n`;
    const reader = new AuditReader(
      { cluster: 'lab', host: 'hosta', boot: null, file: 'audit.log' },
      { event: () => {}, rejected: () => {}, foreign: () => {} },
    );
    let serial = 100;
    const behind: number[] = [];
    for (let second = 0; second < 20; second++) {
      reader.write(
        Buffer.from(open.replace('08.001:100', `${String(8 + second).padStart(2, '0')}.001:${serial++}`)),
      );
      reader.write(Buffer.from(other(second * 1000 + 500, serial++)));
      behind.push(reader.unsettled_bytes());
    }
    expect(
      behind.slice(5).every((bytes) => bytes < 1000),
      String(behind),
    ).toBe(true);
  });
});

describe('the memory of a reader', () => {
  it('is read as it was written, whatever the node is called', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.nat())),
        (proctitles, last) => {
          const memory = {
            proctitles,
            serials: last.map(([node, serial]) => ({ node, serial, at_ms: serial })),
            neighbours: last.map(([node, serial]) => ({ node, serial, at_ms: serial, fate: 1 as const })),
          };
          const text = writeMemory(memory);
          expect(text).toMatch(/^[ -~]*$/);
          expect(readMemory(text)).toEqual(memory);
        },
      ),
    );
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"proctitles":1,"serials":[]}',
    '{"proctitles":true,"serials":[{"node":1}]}',
  ])('is nothing when it was changed: %s', (text) => {
    expect(readMemory(text)).toBeNull();
  });
});
