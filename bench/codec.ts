import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditReader } from '../src/collect/audit/reader.js';
import { decodeEvent, encodeEvent } from '../src/events/codec.js';
import type { Event } from '../src/events/event.js';
import { CURRENT_SCHEMA } from '../src/events/released-schemas.js';
import { writeAuditLog } from './audit-logs.js';
import { cpuSeconds, inTurn, medianOf } from './measure.js';

/**
 * How fast events become bytes and bytes events, beside avsc alone, without our checks and memory of its own for each
 * event, and beside JSON. The events are those of a log of recorded samples. Medians of the seconds of computing.
 * Usage: node --import tsx bench/codec.ts [MB of log] [rounds]
 */
const LOG_BYTES = Number(process.argv[2] ?? 20) * 1e6;
const ROUNDS = Number(process.argv[3] ?? 5);
const HEADER_BYTES = 10;

function sampleEvents(): Event[] {
  const directory = mkdtempSync(join(tmpdir(), 'codec-'));
  try {
    const path = join(directory, 'audit.log');
    writeAuditLog(path, { bytes: LOG_BYTES, format: 'raw', percentOurs: 100, events_per_s: 100 });
    const events: Event[] = [];
    const sink = { event: (event: Event) => events.push(event), rejected() {}, foreign() {} };
    const reader = new AuditReader({ cluster: 'bench', host: 'hosta', boot: null, file: path }, sink);
    reader.write(readFileSync(path));
    reader.end();
    return events;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const events = sampleEvents();
const encoded = events.map(encodeEvent);
const json = events.map((event) => JSON.stringify(jsonOf(event)));
const wires = encoded.map((bytes) => CURRENT_SCHEMA.type.decode(bytes, HEADER_BYTES).value);
const scratch = Buffer.allocUnsafeSlow(1 << 20);
const bytes = encoded.reduce((sum, { length }) => sum + length, 0);

/** A witness as text, which is what JSON can hold of it. */
function jsonOf(event: Event): object {
  return { ...event, witness: event.witness.toString('latin1') };
}

const seconds = inTurn(ROUNDS, {
  encodeEvent: () => cpuSeconds(() => events.forEach(encodeEvent)),
  '  avsc alone': () =>
    cpuSeconds(() => {
      for (const wire of wires) CURRENT_SCHEMA.type.encode(wire, scratch, HEADER_BYTES);
    }),
  '  our check alone': () =>
    cpuSeconds(() => {
      for (const one of encoded) CURRENT_SCHEMA.check(one, HEADER_BYTES);
    }),
  '  JSON.stringify': () =>
    cpuSeconds(() => {
      for (const event of events) JSON.stringify(jsonOf(event));
    }),
  decodeEvent: () => cpuSeconds(() => encoded.forEach(decodeEvent)),
  '  avsc decoding alone': () =>
    cpuSeconds(() => {
      for (const one of encoded) CURRENT_SCHEMA.type.decode(one, HEADER_BYTES);
    }),
  '  JSON.parse': () =>
    cpuSeconds(() => {
      for (const text of json) JSON.parse(text);
    }),
});

console.log(`\n${events.length} events, ${Math.round(bytes / events.length)} bytes each`);
for (const [name, figures] of seconds) {
  const median = medianOf(figures);
  const rate = `${Math.round(events.length / median / 1000)} k/s`.padStart(9);
  console.log(`  ${name.padEnd(24)} ${rate}  ${((median * 1e6) / events.length).toFixed(2)} µs`);
}
