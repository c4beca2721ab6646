import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AuditReader } from '../src/collect/audit/reader.js';
import { openLocalLog } from '../src/eventlog/local/local-log.js';
import type { NewRecord } from '../src/eventlog/port.js';
import { encodeEvent } from '../src/events/codec.js';
import type { Event } from '../src/events/event.js';
import { writeAuditLog } from './audit-logs.js';
import { BuiltProgram } from './built-program.js';
import { megabytes } from './measure.js';

/**
 * What collecting costs: an audit log from its file into the event log, with what each step of it costs alone in the
 * same run; a log that grows at a steady rate, from the line written to the event durable; a log that rests; and what the
 * whole program takes for both.
 * Usage: npm run build && node --import tsx bench/collect.ts [MB] [seconds]
 */
const LOG_BYTES = Number(process.argv[2] ?? 100) * 1e6;
const SECONDS = Number(process.argv[3] ?? 20);
const RATE = 5000;
const WRITE_EVERY_MS = 10;
const CHUNK_BYTES = 256 * 1024;
const BATCH_BYTES = 1 << 20;
const WARM_UP_S = 4;
const CHILD = new URL('collect-child.mjs', import.meta.url).pathname;
const SAMPLE = new URL('../test/golden/audit-records/chown-abs-ok/raw.log', import.meta.url).pathname;

interface Measured {
  events: number;
  appends: number;
  seconds: number;
  cpu_s: number;
  rss_bytes_max: number;
  p50_ms: number | null;
  p99_ms: number | null;
  p100_ms: number | null;
}

function start(directory: string, mode: string): { child: ChildProcess; result: Promise<Measured> } {
  const child = spawn(process.execPath, [CHILD, directory, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout?.on('data', (text) => {
    out += text;
  });
  const result = new Promise<Measured>((resolve, reject) =>
    child.on('exit', (code) => (code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`exit ${code}`)))),
  );
  return { child, result };
}

async function timed(run: () => Promise<void> | void): Promise<number> {
  const from = process.hrtime.bigint();
  await run();
  return Number(process.hrtime.bigint() - from) / 1e9;
}

function eachChunk(path: string, take: (chunk: Buffer) => void): void {
  const file = openSync(path, 'r');
  for (;;) {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const length = readSync(file, chunk);
    if (length === 0) break;
    take(chunk.subarray(0, length));
  }
  closeSync(file);
}

function parse(path: string, take: (event: Event) => void): void {
  const sink = { event: take, rejected: () => {}, foreign: () => {} };
  const reader = new AuditReader({ cluster: 'bench', host: 'hosta', boot: null, file: path }, sink);
  eachChunk(path, (chunk) => reader.write(chunk));
  reader.end();
}

async function drain(directory: string, percentOurs: 1 | 100): Promise<void> {
  const path = join(directory, 'audit.log');
  const bytes = writeAuditLog(path, { bytes: LOG_BYTES, format: 'raw', percentOurs, events_per_s: 100 });
  const reading_s = await timed(() => eachChunk(path, () => {}));
  const parsing_s = await timed(() => parse(path, () => {}));
  const batches: NewRecord[][] = [[]];
  let waiting = 0;
  const encoding_s = await timed(() =>
    parse(path, (event) => {
      const value = encodeEvent(event);
      if (waiting > BATCH_BYTES) {
        batches.push([]);
        waiting = 0;
      }
      waiting += value.length;
      batches.at(-1)?.push({ key: 'bench', value, id: event.id });
    }),
  );
  const log = openLocalLog({
    directory: join(directory, 'ceiling'),
    bytes_max: 64 * 1024 ** 3,
    retain_us: 1e15,
  });
  const appending_s = await timed(async () => {
    for (const records of batches) await log.append({ records, checkpoints: new Map() });
  });
  await log.close();
  const events = batches.reduce((sum, records) => sum + records.length, 0);

  const own = await start(directory, 'drain').result;
  console.log(`\nRAW, ${percentOurs} % ours, ${megabytes(bytes)} MB, ${events} events`);
  const line = (name: string, seconds: number) =>
    console.log(
      `  ${name.padEnd(24)}${seconds.toFixed(2).padStart(7)} s ${(bytes / 1e6 / seconds).toFixed(0).padStart(6)} MB/s ` +
        `${(events / seconds).toFixed(0).padStart(8)} events/s`,
    );
  line('collect, file to log', own.seconds);
  line('reading alone', reading_s);
  line('parsing alone', parsing_s);
  line('parsing and encoding', encoding_s);
  line('appending alone', appending_s);
  console.log(
    `  ${((own.cpu_s * 1000) / events).toFixed(4)} ms CPU an event, ${own.appends} transactions, ` +
      `${megabytes(own.rss_bytes_max)} MB at most`,
  );
}

/** One relabel as auditd writes it, at its own time. */
function eventWriter(path: string): (count: number) => void {
  const parts = readFileSync(SAMPLE, 'latin1')
    .replace(/audit\([\d.]+:\d+\)/g, '\0')
    .split('\0');
  let serial = 1;
  return (count) => {
    let text = '';
    const stamp = (Date.now() / 1000).toFixed(3);
    for (let i = 0; i < count; i++) text += parts.join(`audit(${stamp}:${serial++})`);
    appendFileSync(path, text, 'latin1');
  };
}

async function grow(write: (count: number) => void, seconds: number): Promise<void> {
  const from = Date.now();
  let written = 0;
  while (Date.now() - from < seconds * 1000) {
    const due = Math.floor(((Date.now() - from) * RATE) / 1000);
    if (due > written) write(due - written);
    written = due;
    await sleep(WRITE_EVERY_MS);
  }
}

async function steady(directory: string): Promise<void> {
  const path = join(directory, 'audit.log');
  writeFileSync(path, '');
  const { child, result } = start(directory, 'steady');
  const write = eventWriter(path);
  await grow(write, SECONDS + WARM_UP_S);
  child.kill('SIGTERM');
  const own = await result;
  console.log(`\na log that grows by ${RATE} events/s, for ${own.seconds.toFixed(0)} s`);
  console.log(
    `  from line written to durable: p50 ${own.p50_ms} ms, p99 ${own.p99_ms} ms, worst ${own.p100_ms} ms`,
  );
  console.log(
    `  ${((own.cpu_s * 1000) / own.events).toFixed(4)} ms CPU an event, ` +
      `${((100 * own.cpu_s) / own.seconds).toFixed(1)} % of a core, ` +
      `${(own.appends / own.seconds).toFixed(0)} transactions/s, ${megabytes(own.rss_bytes_max)} MB at most`,
  );
}

async function resting(directory: string): Promise<void> {
  writeFileSync(join(directory, 'audit.log'), '');
  eventWriter(join(directory, 'audit.log'))(100);
  const { child, result } = start(directory, 'rest');
  await sleep((SECONDS + WARM_UP_S) * 1000);
  child.kill('SIGTERM');
  const own = await result;
  console.log(`\na log that rests, for ${own.seconds.toFixed(0)} s`);
  console.log(
    `  ${((100 * own.cpu_s) / own.seconds).toFixed(2)} % of a core, ${megabytes(own.rss_bytes_max)} MB at most`,
  );
}

/** As deploy/systemd/migration-audit-collect.service starts it. */
const NODE_OPTIONS = '--max-semi-space-size=1';

/** The whole of `collect`, with everything around its source. */
async function program(directory: string): Promise<void> {
  mkdirSync(join(directory, 'qemu'));
  const path = join(directory, 'audit.log');
  writeFileSync(path, '');
  const write = eventWriter(path);
  write(100);
  const own = new BuiltProgram('collect', directory, NODE_OPTIONS);
  try {
    await sleep(1000 * WARM_UP_S);
    let cpu_s = own.cpu_s();
    await sleep(1000 * SECONDS);
    const say = (what: string, more: string) =>
      console.log(
        `  ${what}: ${((100 * (own.cpu_s() - cpu_s)) / SECONDS).toFixed(2)} % of a core, ` +
          `${megabytes(own.rss_bytes())} MB, ${megabytes(own.rss_bytes('RssAnon'))} MB of it in no file${more}`,
      );
    console.log(`\ncollect, the built program with NODE_OPTIONS=${NODE_OPTIONS}`);
    say('at rest', '');
    await grow(write, WARM_UP_S);
    cpu_s = own.cpu_s();
    await grow(write, SECONDS);
    say(`${RATE} events/s`, `, ${megabytes(own.rss_bytes('VmHWM'))} MB at most`);
  } finally {
    await own.end();
  }
}

for (const part of [(at: string) => drain(at, 100), (at: string) => drain(at, 1), steady, resting, program]) {
  const directory = mkdtempSync(join(tmpdir(), 'collect-'));
  try {
    await part(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
