import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuditReader } from '../../../src/collect/audit/reader.js';
import type { Event, EventKind, EventOf } from '../../../src/events/event.js';
import type { Rejected } from '../../../src/events/origin.js';

const GOLDEN = new URL('../../golden/', import.meta.url).pathname;
export const RECORDS = join(GOLDEN, 'audit-records');
export const CAPTURES = join(GOLDEN, 'captures');

/** Everything a reader handed on. */
export interface Reading {
  events: Event[];
  rejected: Rejected[];
  foreignLines: number;
  foreignBytes: number;
}

/** Reads whole files, each in the given chunks (default: in one). */
export function read(input: Buffer | string | Buffer[], chunkSizes?: (left: number) => number): Reading {
  const reading: Reading = { events: [], rejected: [], foreignLines: 0, foreignBytes: 0 };
  const reader = new AuditReader(
    { cluster: 'lab', host: 'hosta', boot: null, file: 'audit.log' },
    {
      event: (event) => reading.events.push(event),
      rejected: (rejected) => reading.rejected.push(rejected),
      foreign: (lines, bytes) => {
        reading.foreignLines += lines;
        reading.foreignBytes += bytes;
      },
    },
  );
  const files = Array.isArray(input) ? input : [Buffer.from(input as Buffer)];
  files.forEach((file, index) => {
    reader.begin(`audit.log.${files.length - index}`);
    let at = 0;
    while (at < file.length) {
      const size = Math.max(1, chunkSizes?.(file.length - at) ?? file.length);
      reader.write(file.subarray(at, at + size));
      at += size;
    }
  });
  reader.end();
  return reading;
}

export function eventsOf<K extends EventKind>(reading: Reading, kind: K): EventOf<K>[] {
  return reading.events.filter((event) => event.kind === kind) as EventOf<K>[];
}

/** The one event of a kind; throws when there are more or none. */
export function only<K extends EventKind>(reading: Reading, kind: K): EventOf<K> {
  const events = eventsOf(reading, kind);
  if (events.length !== 1) throw new Error(`${events.length} ${kind} events instead of one`);
  return events[0] as EventOf<K>;
}

/** Bytes accounted for: distinct witnesses and rejected lines with the newline they lost, and foreign ones. */
export function accountedBytes(reading: Reading): number {
  const witnesses = new Set(reading.events.map((event) => event.witness).filter(({ length }) => length > 0));
  let bytes = reading.foreignBytes;
  for (const witness of witnesses) bytes += witness.length + 1;
  for (const rejected of reading.rejected) bytes += rejected.bytes.length + 1;
  return bytes;
}

/** What of events must not depend on how their bytes came: all but witness and position. */
export function facts(reading: Reading): unknown[] {
  return reading.events.map(({ witness: _witness, sequence: _sequence, ...rest }) => rest);
}

export function scenarios(): string[] {
  return readdirSync(RECORDS).filter((name) => !name.startsWith('_'));
}

export function recordFile(scenario: string, name: string): Buffer {
  return readFileSync(join(RECORDS, scenario, name));
}
