import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditReader } from '../src/collect/audit/reader.js';
import type { EventSink } from '../src/events/origin.js';

/**
 * How fast audit records become events, beside a bare search for newlines and `ausearch --raw`, in the same run.
 * The logs are the recorded samples over and over, with new serials and 10 ms apart (at 0.1 ms apart `ausearch` fell
 * to 2 MB/s, which would flatter us). In the 1 % logs 99 of 100 events are of a call that relabels nothing.
 * Usage: node --import tsx bench/audit-parse.ts [MB] [runs]
 */
const LOG_BYTES = Number(process.argv[2] ?? 200) * 1e6;
const RUNS = Number(process.argv[3] ?? 3);
const CHUNK_BYTES = 1 << 18;
const SAMPLES = new URL('../test/golden/audit-records/', import.meta.url).pathname;
const STAMP = /audit\(\d+\.\d+:\d+\)/g;
const MS_PER_EVENT = 10;
const PEER = 'ausearch';
const FIRST_MS = 1_795_400_000_000;

interface Measured {
  name: string;
  bytes: number;
  seconds: number;
  events: number;
}

/** Each sample event as text with its stamps cut out. */
function sampleEvents(format: 'raw' | 'enriched'): string[][] {
  const events: string[][] = [];
  for (const scenario of readdirSync(SAMPLES)) {
    if (scenario.startsWith('_')) continue;
    let lines: string[] = [];
    let stamp = '';
    for (const line of readFileSync(join(SAMPLES, scenario, `${format}.log`), 'latin1').split('\n')) {
      if (line === '') continue;
      const found = line.match(STAMP)?.[0] ?? '';
      if (found !== stamp && lines.length > 0) {
        events.push(lines);
        lines = [];
      }
      stamp = found;
      lines.push(line);
    }
    if (lines.length > 0) events.push(lines);
  }
  return events.map((lines) => lines.join('\n').split(STAMP));
}

function writeLog(path: string, format: 'raw' | 'enriched', percentOurs: 1 | 100): number {
  const samples = sampleEvents(format);
  const others = samples
    .filter((parts) => parts.join('').includes('type=PATH'))
    .map((parts) => parts.map((part) => part.replace(/arch=(\w+) syscall=\d+/, 'arch=$1 syscall=59')))
    .filter((parts) => !parts.join('').includes('type=AVC'));
  const log = openSync(path, 'w');
  let written = 0;
  let block = '';
  for (let n = 0; written < LOG_BYTES; n++) {
    const ours = percentOurs === 100 || n % 100 === 0;
    const parts = ours
      ? (samples[(percentOurs === 100 ? n : n / 100) % samples.length] as string[])
      : (others[n % others.length] as string[]);
    const at = FIRST_MS + n * MS_PER_EVENT;
    const stamp = `audit(${Math.floor(at / 1000)}.${String(at % 1000).padStart(3, '0')}:${n + 1})`;
    block += `${parts.join(stamp)}\n`;
    if (block.length < CHUNK_BYTES) continue;
    written += writeSync(log, block, null, 'latin1');
    block = '';
  }
  closeSync(log);
  return written;
}

function readChunks(path: string, take: (chunk: Buffer) => void): number {
  const file = openSync(path, 'r');
  let bytes = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const length = readSync(file, chunk);
    if (length === 0) break;
    bytes += length;
    take(length === CHUNK_BYTES ? chunk : chunk.subarray(0, length));
  }
  closeSync(file);
  return bytes;
}

function best(name: string, run: () => { bytes: number; events: number }): Measured {
  let measured: Measured | null = null;
  for (let i = 0; i < RUNS; i++) {
    const started = process.hrtime.bigint();
    const { bytes, events } = run();
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    if (measured === null || seconds < measured.seconds) measured = { name, bytes, seconds, events };
  }
  return measured as Measured;
}

function readOnly(path: string): Measured {
  return best('read the file', () => ({ bytes: readChunks(path, () => {}), events: 0 }));
}

function newlines(path: string): Measured {
  return best('search newlines', () => {
    let lines = 0;
    const bytes = readChunks(path, (chunk) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++;
    });
    return { bytes, events: lines };
  });
}

function reader(path: string): Measured {
  return best('AuditReader', () => {
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
    const bytes = readChunks(path, (chunk) => reader.write(chunk));
    reader.end();
    if (witnessed === 0) throw new Error('no events');
    return { bytes, events };
  });
}

function ausearch(path: string, bytes: number): Measured | null {
  if (spawnSync(PEER, ['--version']).error !== undefined) return null;
  return best('ausearch --raw', () => {
    execFileSync(PEER, ['--raw', '-if', path], { stdio: ['ignore', 'ignore', 'inherit'] });
    return { bytes, events: 0 };
  });
}

const directory = mkdtempSync(join(tmpdir(), 'audit-parse-'));
try {
  for (const format of ['raw', 'enriched'] as const) {
    for (const percentOurs of [100, 1] as const) {
      const path = join(directory, 'audit.log');
      const bytes = writeLog(path, format, percentOurs);
      const peer = ausearch(path, bytes);
      const results = [readOnly(path), newlines(path), reader(path), ...(peer === null ? [] : [peer])];
      const ceiling = results[1] as Measured;
      console.log(`\n${format.toUpperCase()}, ${percentOurs} % ours, ${Math.round(bytes / 1e6)} MB`);
      for (const { name, bytes, seconds, events } of results) {
        const rate = bytes / 1e6 / seconds;
        const share = (100 * ceiling.seconds) / seconds;
        const against = peer === null ? '' : `, ${(peer.seconds / seconds).toFixed(1)} x ausearch`;
        const perSecond = events === 0 ? '' : `, ${Math.round(events / seconds / 1000)} k/s`;
        console.log(
          `  ${name.padEnd(16)} ${rate.toFixed(0).padStart(6)} MB/s  ${share.toFixed(0)} % of ceiling${against}${perSecond}`,
        );
      }
    }
  }
} finally {
  rmSync(directory, { recursive: true });
}
