import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectStore, type StoreReader } from '../src/store/socket.js';
import { BuiltProgram } from './built-program.js';
import { megabytes } from './measure.js';

/**
 * The built program's `run` on an audit log that grows at a steady rate: what an event costs, and how long it takes from
 * a line written to its finding in the store. Nearly all events are of calls that relabel nothing. In between comes
 * the recorded incident of a destination that labels the image before its QEMU fails, each time for a guest of its own.
 * Cost is measured without anybody asking the store, latency while one asks it all the time, with more incidents.
 * Usage: npm run build && node --import tsx bench/live.ts [seconds [incidents a second [events a second,…]]]
 * (while cost is measured)
 */
const SECONDS = Number(process.argv[2] ?? 20);
const INCIDENTS_PER_S = Number(process.argv[3] ?? 0.2);
const TIMED_INCIDENTS_PER_S = 2;
/** 99 % of fewer would be the worst of them */
const TIMED_INCIDENTS = 200;
const RATES = (process.argv[4] ?? '5000,500').split(',').map(Number);
const WRITE_EVERY_MS = 10;
const LOOK_EVERY_MS = 20;
const TARGET = { cpu_ms: 0.05, p99_ms: 250, idle_percent: 0.5 };

const ROOT = new URL('..', import.meta.url).pathname;
const INCIDENT = join(ROOT, 'test/golden/captures/s4-mismatch-fail/hostb');
const FOREIGN = join(ROOT, 'test/golden/audit-records/chown-abs-ok/raw.log');

interface Line {
  /** since the incident began */
  after_ms: number;
  serial: number;
  before: string;
  after: string;
}

const STAMPED = /^(.*audit\()(\d+\.\d+):(\d+)(\).*)$/;
/** of the incident: from the guest's label to the end of its failed start */
const SERIALS = { first: 2571, relabel: 2626, last: 2641 };

const foreign = readFileSync(FOREIGN, 'latin1')
  .replace(/syscall=\d+/, 'syscall=59')
  .replace(/audit\([\d.]+:\d+\)/g, '\0')
  .split('\0');

function incidentLines(): Line[] {
  const lines = readFileSync(join(INCIDENT, 'audit.log'), 'latin1')
    .split('\n')
    .flatMap((line) => {
      const [, before = '', time = '', serial = '', after = ''] = STAMPED.exec(line) ?? [];
      const number = Number(serial);
      return number >= SERIALS.first && number <= SERIALS.last
        ? [{ after_ms: Math.round(Number(time) * 1000), serial: number, before, after }]
        : [];
    });
  const began_ms = lines[0]?.after_ms ?? 0;
  return lines.map((line) => ({ ...line, after_ms: line.after_ms - began_ms }));
}

const GUEST_LOG = readFileSync(join(INCIDENT, 'qemu-vm1.log'), 'utf8');
const FIRST_INODE = 1_000_000;

function ofGuest(text: string, guest: number): string {
  return text
    .replaceAll('7e570000-0000-4000-8000-000000000001', uuidOf(guest))
    .replaceAll('vm1', `vm${guest}`)
    .replaceAll('base.raw', `base${guest}.raw`)
    .replaceAll(/dev=\w+:\w+/g, `dev=${ROOT_DEVICE}`)
    .replace(/inode=(\d+)/g, (_, inode) => `inode=${FIRST_INODE * (guest + 1) + Number(inode)}`);
}

/** Where the images of the incident lie on the host of this process, in the form of audit records. */
const ROOT_DEVICE = rootDevice();

function rootDevice(): string {
  const [, major, minor] =
    /^\d+ \d+ (\d+):(\d+) \S+ \/ /m.exec(readFileSync('/proc/self/mountinfo', 'utf8')) ?? [];
  const hex = (number: string | undefined) => Number(number).toString(16).padStart(2, '0');
  return `${hex(major)}:${hex(minor)}`;
}

function uuidOf(guest: number): string {
  return `7e570000-0000-4000-8000-${String(guest).padStart(12, '0')}`;
}

const incident = incidentLines();

/** Writes what is due every few milliseconds, stamped as it is written. */
class Host {
  readonly #directory: string;
  #serial = 1;
  #guest = 100;
  #waiting: { began_ms: number; guest: number; next: number }[] = [];
  events = 0;
  /** of the call that the incident's finding speaks of, by its id: when it was written, ms */
  readonly relabelled_ms = new Map<string, number>();

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(join(directory, 'qemu'));
    writeFileSync(this.#path, '');
  }

  get #path(): string {
    return join(this.#directory, 'audit.log');
  }

  /** @param quiet_s at the end no incident begins, so that each has its time */
  async write(rate: number, seconds: number, incidentsPerS: number, quiet_s = 0): Promise<void> {
    const from_ms = Date.now();
    const before = this.events;
    let begun = 0;
    for (let since_ms = 0; since_ms < seconds * 1000; since_ms = Date.now() - from_ms) {
      if (since_ms < (seconds - quiet_s) * 1000 && since_ms * incidentsPerS >= begun * 1000) {
        begun++;
        this.#begin();
      }
      let text = this.#dueOfIncidents();
      const due = Math.floor((since_ms * rate) / 1000) - (this.events - before);
      for (let i = 0; i < due; i++) text += foreign.join(this.#stamp(this.#next()));
      if (text !== '') appendFileSync(this.#path, text, 'latin1');
      await sleep(WRITE_EVERY_MS);
    }
  }

  #begin(): void {
    const guest = this.#guest++;
    const began_ms = Date.now();
    this.#waiting.push({ began_ms, guest, next: 0 });
    const path = join(this.#directory, `qemu/vm${guest}.log`);
    const started = new Date(began_ms).toISOString().replace('T', ' ').replace('Z', '+0000');
    writeFileSync(path, ofGuest(GUEST_LOG, guest).replace(/^[-\d]+ [:.\d]+\+0000/gm, started));
  }

  #dueOfIncidents(): string {
    const now_ms = Date.now();
    let text = '';
    for (const each of this.#waiting) {
      let last = -1;
      for (; each.next < incident.length; each.next++) {
        const line = incident[each.next] as Line;
        if (each.began_ms + line.after_ms > now_ms && line.serial !== last) break;
        if (line.serial !== last) this.#next();
        last = line.serial;
        if (line.serial === SERIALS.relabel)
          this.relabelled_ms.set(`hostb/audit/${now_ms}:${this.#serial}`, now_ms);
        text += `${ofGuest(line.before, each.guest)}${stampOf(now_ms, this.#serial)}${ofGuest(line.after, each.guest)}\n`;
      }
    }
    this.#waiting = this.#waiting.filter(({ next }) => next < incident.length);
    return text;
  }

  #next(): number {
    this.events++;
    return ++this.#serial;
  }

  #stamp(serial: number): string {
    return `audit(${stampOf(Date.now(), serial)})`;
  }
}

function stampOf(at_ms: number, serial: number): string {
  return `${(at_ms / 1000).toFixed(3)}:${serial}`;
}

async function storeOf(program: BuiltProgram, path: string): Promise<StoreReader> {
  for (;;) {
    const store = await connectStore(path);
    if (store !== null) return store;
    program.throwIfEnded();
    await sleep(LOOK_EVERY_MS);
  }
}

/** Looks for findings until told to end; by the calls that they speak of, when each was there first, ms. */
async function watch(store: StoreReader, signal: AbortSignal): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  while (!signal.aborted) {
    // asking for all of them would be work that grows with each
    const opened_from_us = (Date.now() - INCIDENT_S * 1000) * 1000;
    for (const { relabels } of await store.findings({ cluster: 'bench', opened_from_us }))
      for (const id of relabels) if (!seen.has(id)) seen.set(id, Date.now());
    await sleep(LOOK_EVERY_MS);
  }
  return seen;
}

const WARM_UP_S = 8;
/** It takes two seconds; a finding that is not there some seconds later does not count as seen. */
const INCIDENT_S = 5;

async function measure(rate: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'live-'));
  const host = new Host(directory);
  const program = new BuiltProgram('run', directory);
  try {
    const store = await storeOf(program, join(directory, 'data/store.sock'));
    await host.write(rate, WARM_UP_S, TIMED_INCIDENTS_PER_S, INCIDENT_S); // code gets compiled
    await sleep(2000);
    const [cpu_s, events] = [program.cpu_s(), host.events];
    await host.write(rate, SECONDS, INCIDENTS_PER_S);
    const used_s = program.cpu_s() - cpu_s;
    const written = host.events - events;
    console.log(`\n${rate} events/s, ${INCIDENTS_PER_S} incidents/s, ${SECONDS} s (load ${load()})`);
    const each_ms = (1000 * used_s) / written;
    console.log(
      `  CPU ${each_ms.toFixed(4)} ms an audit event (aim ${TARGET.cpu_ms}), ` +
        `${((100 * used_s) / SECONDS).toFixed(1)} % of a core, RSS ${megabytes(program.rss_bytes())} MB`,
    );
    await latencies(rate, host, store);
    if (rate === RATES[0]) await rest(program);
    console.log(`  RSS at most ${megabytes(program.rss_bytes('VmHWM'))} MB`);
  } finally {
    await program.end();
    rmSync(directory, { recursive: true });
  }
}

async function latencies(rate: number, host: Host, store: StoreReader): Promise<void> {
  const watching = new AbortController();
  const seeing = watch(store, watching.signal);
  const known = new Set(host.relabelled_ms.keys());
  const seconds = TIMED_INCIDENTS / TIMED_INCIDENTS_PER_S;
  await host.write(rate, seconds + INCIDENT_S, TIMED_INCIDENTS_PER_S, INCIDENT_S);
  watching.abort();
  const seen = await seeing;
  const found: number[] = [];
  let missing = 0;
  for (const [id, written_ms] of host.relabelled_ms) {
    if (known.has(id)) continue;
    const seen_ms = seen.get(id);
    if (seen_ms === undefined) missing++;
    else found.push(seen_ms - written_ms);
  }
  found.sort((a, b) => a - b);
  const at = (share: number) => found[Math.min(found.length - 1, Math.floor(found.length * share))];
  console.log(
    `  from line written to finding seen: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (aim ${TARGET.p99_ms}), worst ${found.at(-1)} ms of ` +
      `${found.length}, ${missing} not seen; looked every ${LOOK_EVERY_MS} ms (load ${load()})`,
  );
}

async function rest(program: BuiltProgram): Promise<void> {
  await sleep(5000);
  const cpu_s = program.cpu_s();
  await sleep(SECONDS * 1000);
  const used_s = program.cpu_s() - cpu_s;
  console.log(
    `  at rest ${((100 * used_s) / SECONDS).toFixed(2)} % of a core (aim ${TARGET.idle_percent}), ` +
      `RSS ${megabytes(program.rss_bytes())} MB`,
  );
}

function load(): string {
  return (loadavg()[0] as number).toFixed(1);
}

for (const rate of RATES) await measure(rate);
