import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DaemonLogReader } from '../../../src/collect/libvirt/daemon-log.js';
import { GuestLogReader } from '../../../src/collect/libvirt/guest-log.js';
import type { Event } from '../../../src/events/event.js';
import type { EventSink, ResumableReader } from '../../../src/events/origin.js';

const CAPTURES = new URL('../../golden/captures/', import.meta.url).pathname;

type MakeReader = (sink: EventSink, sequence_from: number, memory: string) => ResumableReader;

const guestLog: MakeReader = (sink, sequence_from, memory) =>
  new GuestLogReader({ ...ORIGIN, sequence_from }, sink, 'vm1', memory);
const daemonLog: MakeReader = (sink, sequence_from, memory) =>
  new DaemonLogReader({ ...ORIGIN, sequence_from }, sink, memory);
const ORIGIN = { cluster: 'lab', host: 'hosta', boot: null, file: 'a.log' };

function logsOf(pattern: RegExp): Buffer[] {
  return readdirSync(CAPTURES).flatMap((capture) =>
    readdirSync(join(CAPTURES, capture), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name: host }) =>
        readdirSync(join(CAPTURES, capture, host))
          .filter((name) => pattern.test(name))
          .map((name) => readFileSync(join(CAPTURES, capture, host, name))),
      ),
  );
}

const GUEST_LOGS = logsOf(/^qemu-vm\d+\.log$/);
const DAEMON_LOGS = logsOf(/^libvirtd-journal\.log$/);

/** Each line once, twice or thrice, so that equal facts stand at one stamp. */
function repeated(log: Buffer, times: readonly number[]): Buffer {
  const lines = log.toString('latin1').split(/(?<=\n)/);
  return Buffer.from(
    lines.map((line, i) => line.repeat(times[i % times.length] as number)).join(''),
    'latin1',
  );
}

/** After some steps the reader is thrown away, and another one goes on from where it said. */
function readWithCrashes(make: MakeReader, log: Buffer, steps: readonly { bytes: number; crash: boolean }[]) {
  const events = new Map<string, Event>();
  const sink: EventSink = {
    event: (event) => events.set(event.id, events.get(event.id) ?? event),
    rejected: () => {},
    foreign: () => {},
  };
  let reader = make(sink, 0, '');
  let at = 0;
  for (const { bytes, crash } of steps) {
    reader.write(log.subarray(at, at + bytes));
    at = Math.min(log.length, at + bytes);
    if (!crash) continue;
    at -= reader.unsettled_bytes();
    reader = make(sink, reader.sequence(), reader.memory());
  }
  reader.write(log.subarray(at));
  reader.end();
  return [...events.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

describe.each([
  ['guest’s', guestLog, GUEST_LOGS],
  ['daemon’s', daemonLog, DAEMON_LOGS],
] as const)('a reader of a %s log that goes on where another one stopped', (_, make, logs) => {
  it('hands on, with it, what one reader alone does, with the same sequence', () => {
    expect(logs.length).toBeGreaterThan(3);
    const step = fc.record({ bytes: fc.integer({ min: 1, max: 3000 }), crash: fc.boolean() });
    const times = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(
        fc.constantFrom(...logs),
        times,
        fc.array(step, { maxLength: 40 }),
        (log, counts, steps) => {
          const whole = repeated(log, counts);
          expect(readWithCrashes(make, whole, steps)).toEqual(readWithCrashes(make, whole, []));
        },
      ),
      { numRuns: 200, seed: 20_261_124 },
    );
  });

  it('goes on with nothing known when its memory was changed', () => {
    const log = logs[0] as Buffer;
    for (const memory of ['{', 'null', '[]', '{"guest":{"uuid":7}}', '{"lastAt":-1}']) {
      const events: Event[] = [];
      const sink = { event: (event: Event) => events.push(event), rejected: () => {}, foreign: () => {} };
      const reader = make(sink, 0, memory);
      reader.write(log);
      reader.end();
      expect(events.map(({ id }) => id).sort()).toEqual(readWithCrashes(make, log, []).map(({ id }) => id));
    }
  });
});
