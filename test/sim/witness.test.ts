import { describe, expect, it } from 'vitest';
import { AuditReader } from '../../src/collect/audit/reader.js';
import { MonitorEventReader } from '../../src/collect/libvirt/monitor-event.js';
import { VirshEventReader } from '../../src/collect/libvirt/virsh-event.js';
import type { Event } from '../../src/events/event.js';
import type { Reader } from '../../src/events/origin.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';

const READERS = {
  audit: AuditReader,
  'virsh-event': VirshEventReader,
  'qemu-monitor-event': MonitorEventReader,
};

describe('witness lines of simulated events', () => {
  for (const [stream, StreamReader] of Object.entries(READERS)) {
    it(`give the same events again when the ${stream} reader reads them`, () => {
      for (let seed = 0; seed < 40; seed++) {
        for (const written of logsOf(simulate(randomPlan(seed)).events, stream)) {
          expect(readAgain(written, StreamReader)).toEqual(written.map(comparable));
        }
      }
    });
  }
});

/** Sequences are the reader's own business; witnesses as text make a difference readable. */
function comparable({ sequence, witness, ...event }: Event) {
  return { ...event, witness: witness.toString('latin1') };
}

/** One list for each host and boot, in the order of the log. */
function logsOf(events: Event[], stream: string): Event[][] {
  const logs = new Map<string, Event[]>();
  for (const event of events.filter((one) => one.stream === stream)) {
    const key = `${event.host}/${event.boot}/${isAfterReboot(event, events)}`;
    logs.set(key, [...(logs.get(key) ?? []), event]);
  }
  return [...logs.values()].map((log) => log.sort((a, b) => a.sequence - b.sequence));
}

/** A host that reboots starts its serials again, which a reader of one file rightly calls a hole. */
function isAfterReboot(event: Event, events: Event[]): boolean {
  const down = events.find(
    ({ kind, host, body }) => kind === 'GapDetected' && host === event.host && body.kind === 'collector-down',
  );
  return down !== undefined && event.at >= down.at;
}

function readAgain(written: Event[], StreamReader: (typeof READERS)[keyof typeof READERS]) {
  const read: ReturnType<typeof comparable>[] = [];
  const [{ cluster, host, boot }] = written as [Event];
  const reader: Reader = new StreamReader(
    { cluster, host, boot, file: 'log' },
    {
      event: (event) => read.push(comparable(event)),
      rejected: ({ bytes, reason }) => expect.fail(`${reason}: ${bytes.toString('latin1')}`),
      foreign: () => {},
    },
  );
  reader.write(Buffer.concat(written.flatMap(({ witness }) => [witness, Buffer.from('\n')])));
  reader.end();
  return read;
}
