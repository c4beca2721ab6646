import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditReader } from '../src/collect/audit/reader.js';
import type { EventSink } from '../src/events/origin.js';
import { type AuditLogShape, writeAuditLog } from './audit-logs.js';
import {
  cpuSeconds,
  cpuSecondsOf,
  inTurn,
  isInstalled,
  medianOf,
  medianRatio,
  megabytes,
} from './measure.js';

/**
 * How fast audit records become events, beside a bare search for newlines and `ausearch --raw`, in turn. Medians of
 * the seconds of computing.
 * Usage: node --import tsx bench/audit-parse.ts [MB] [rounds]
 */
const LOG_BYTES = Number(process.argv[2] ?? 200) * 1e6;
const ROUNDS = Number(process.argv[3] ?? 5);
const CHUNK_BYTES = 1 << 18;
const PEER = 'ausearch';
const NEWLINE = 10;

const SHAPES: Pick<AuditLogShape, 'format' | 'percentOurs' | 'events_per_s'>[] = [
  { format: 'raw', percentOurs: 100, events_per_s: 100 },
  { format: 'raw', percentOurs: 100, events_per_s: 1000 },
  { format: 'raw', percentOurs: 1, events_per_s: 100 },
  { format: 'raw', percentOurs: 1, events_per_s: 1000 },
  { format: 'enriched', percentOurs: 100, events_per_s: 1000 },
  { format: 'enriched', percentOurs: 1, events_per_s: 1000 },
];

function readChunks(path: string, take: (chunk: Buffer) => void): void {
  const file = openSync(path, 'r');
  for (;;) {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const length = readSync(file, chunk);
    if (length === 0) break;
    take(length === CHUNK_BYTES ? chunk : chunk.subarray(0, length));
  }
  closeSync(file);
}

function countNewlines(path: string): number {
  let lines = 0;
  readChunks(path, (chunk) => {
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
  });
  return lines;
}

function countEvents(path: string): number {
  let events = 0;
  let witnessed = 0;
  const sink: EventSink = {
    event(event) {
      events++;
      witnessed += event.witness.length + event.id.length;
    },
    rejected({ reason }) {
      throw new Error(`rejected: ${reason}`);
    },
    foreign() {},
  };
  const reader = new AuditReader({ cluster: 'bench', host: 'hosta', boot: null, file: path }, sink);
  readChunks(path, (chunk) => reader.write(chunk));
  reader.end();
  if (witnessed === 0) throw new Error('no events');
  return events;
}

function compare(path: string, shape: (typeof SHAPES)[number]): void {
  const bytes = writeAuditLog(path, { bytes: LOG_BYTES, ...shape });
  const { format, percentOurs, events_per_s } = shape;
  let events = 0;
  const seconds = inTurn(ROUNDS, {
    'read the file': () => cpuSeconds(() => readChunks(path, () => {})),
    'search newlines': () => cpuSeconds(() => countNewlines(path)),
    AuditReader: () =>
      cpuSeconds(() => {
        events = countEvents(path);
      }),
    ...(isInstalled(PEER) ? { [PEER]: () => cpuSecondsOf(PEER, ['--raw', '-if', path]) } : {}),
  });
  console.log(
    `\n${format.toUpperCase()}, ${percentOurs} % ours, ${events_per_s} events/s, ${megabytes(bytes)} MB`,
  );
  const ceiling = seconds.get('search newlines') as number[];
  const peer = seconds.get(PEER);
  for (const [name, figures] of seconds) {
    const rate = (bytes / 1e6 / medianOf(figures)).toFixed(0).padStart(6);
    const share = (100 * medianRatio(ceiling, figures)).toFixed(0);
    const against = peer === undefined ? '' : `, ${medianRatio(peer, figures).toFixed(1)} x ${PEER}`;
    const perSecond =
      name === 'AuditReader' ? `, ${Math.round(events / medianOf(figures) / 1000)} k events/s` : '';
    console.log(`  ${name.padEnd(16)} ${rate} MB/s  ${share} % of ceiling${against}${perSecond}`);
  }
}

const directory = mkdtempSync(join(tmpdir(), 'audit-parse-'));
try {
  for (const shape of SHAPES) compare(join(directory, 'audit.log'), shape);
} finally {
  rmSync(directory, { recursive: true });
}
