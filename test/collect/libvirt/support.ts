import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Event, EventBodies, EventKind } from '../../../src/events/event.js';
import type { EventSink, Origin, Reader, Rejected } from '../../../src/events/origin.js';

export const ORIGIN: Origin = { cluster: 'lab', host: 'hosta', boot: null, file: '/logs/some.log' };
const CAPTURES = join(import.meta.dirname, '../../golden/captures');

export interface Collected {
  events: Event[];
  rejected: Rejected[];
  foreign: { lines: number; bytes: number };
}

type MakeReader = (origin: Origin, sink: EventSink) => Reader;

export function collect(make: MakeReader, chunks: Buffer[] | string, origin: Origin = ORIGIN): Collected {
  const collected: Collected = { events: [], rejected: [], foreign: { lines: 0, bytes: 0 } };
  const reader = make(origin, {
    event: (event) => collected.events.push(event),
    rejected: (rejected) => collected.rejected.push(rejected),
    foreign: (lines, bytes) => {
      collected.foreign.lines += lines;
      collected.foreign.bytes += bytes;
    },
  });
  for (const chunk of typeof chunks === 'string' ? [Buffer.from(chunks)] : chunks) reader.write(chunk);
  reader.end();
  return collected;
}

export function bodies<K extends EventKind>({ events }: Collected, kind: K): EventBodies[K][] {
  return events.filter((event) => event.kind === kind).map((event) => event.body as EventBodies[K]);
}

export function reasons({ rejected }: Collected): string[] {
  return rejected.map(({ reason }) => reason);
}

export interface CaptureFile {
  scenario: string;
  host: string;
  name: string;
  path: string;
}

export function captureFiles(wanted: RegExp): CaptureFile[] {
  const files: CaptureFile[] = [];
  for (const scenario of readdirSync(CAPTURES)) {
    for (const host of ['hosta', 'hostb', 'nfs1']) {
      for (const name of readdirSync(join(CAPTURES, scenario, host))) {
        if (wanted.test(name))
          files.push({ scenario, host, name, path: join(CAPTURES, scenario, host, name) });
      }
    }
  }
  return files;
}

export function captured(make: MakeReader, scenario: string, host: string, name: string): Collected {
  const file = join(CAPTURES, scenario, host, name);
  return collect(make, [readFileSync(file)], { ...ORIGIN, host, file });
}

export function originOf({ host, path }: CaptureFile): Origin {
  return { ...ORIGIN, host, file: path };
}

/** Bytes that every event, rejection and foreign line took, each with one newline. */
export function accountedBytes({ events, rejected, foreign }: Collected): number {
  // events from the same lines share their witness, and begin in the same line
  const witnesses = new Map(events.map(({ sequence, witness }) => [sequence, witness.length + 1]));
  const ofEvents = [...witnesses.values()].reduce((sum, length) => sum + length, 0);
  return ofEvents + rejected.reduce((sum, { bytes }) => sum + bytes.length + 1, 0) + foreign.bytes;
}

/** Cuts bytes at arbitrary places. */
export function chunked(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

/** Runs a property with a fixed seed and with a random one; fast-check prints the seed of a failure. */
export function holds<T>(property: fc.IProperty<T>, runs = 150): void {
  fc.assert(property, { seed: 20261123, numRuns: runs });
  fc.assert(property, { numRuns: runs });
}
