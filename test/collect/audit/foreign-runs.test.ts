import { describe, expect, it, vi } from 'vitest';
import { ForeignRuns } from '../../../src/collect/audit/foreign-runs.js';
import { AuditReader } from '../../../src/collect/audit/reader.js';
import { Random } from '../../../src/sim/random.js';
import { SEEDS } from '../../events/seeds.js';
import { Draft, mutate, randomChunks } from '../../hostile/mutations.js';
import { recordFile, scenarios } from './reading.js';

/**
 * The kernel that passes over runs of foreign events beside the way each line is read when it is not asked. It can
 * only take lines that lie whole in a chunk, so chunks that each begin and end inside a line keep it out.
 */

const NEWLINE = 0x0a;
const DAMAGED_ONE_IN = 200;
/** Where the kernel looks: damage here is what it might overlook. */
const HEAD_BYTES = 80;
const HEAD_DAMAGED_ONE_IN = 25;
const HEAD_TROUBLE = Buffer.from('0123456789abcdef .:()=\r\x1d\0\n', 'latin1');
const STAMP = /audit\(\d+\.\d+:\d+\)/g;
/** execve, openat, a number that no table has, one of four digits, x32's execve */
const FOREIGN_CALLS = ['59', '257', '511', '512', '1000', '1073742344', '-1'];
const ARCHITECTURES = ['c000003e', '40000003', 'c00000b7', 'C000003E', '0c000003e', 'c000003f', '16'];

/** Lines of an event, each with `\0` where its stamp stood. */
const EVENTS = scenarios().flatMap((scenario) =>
  ['raw.log', 'enriched.log'].flatMap((file) => eventsIn(recordFile(scenario, file))),
);
const CALLS = EVENTS.filter(([first = '']) => first.startsWith('type=SYSCALL'));

function eventsIn(log: Buffer): string[][] {
  const events = new Map<string, string[]>();
  for (const line of log.toString('latin1').split('\n')) {
    const stamp = line.match(STAMP)?.[0];
    if (stamp === undefined) continue;
    events.set(stamp, [...(events.get(stamp) ?? []), line.replace(STAMP, '\0')]);
  }
  return [...events.values()];
}

/** A log of which most is foreign, with all that can stand between and inside of foreign events. */
class Log {
  readonly #random: Random;
  #serial: number;
  #at_ms = 1_795_400_000_000;
  #last: string[] = [];
  /** in some logs only foreign events tell that there are PROCTITLE records */
  readonly #oursHasProctitle: boolean;

  constructor(random: Random) {
    this.#random = random;
    this.#serial = random.pick([1, 98, 12_345_678, 4_294_967_000]);
    this.#oursHasProctitle = random.chance(1 / 2);
  }

  next(): string[] {
    const random = this.#random;
    if (random.chance(1 / 100)) return this.#last;
    const event = random.chance(1 / 12) ? this.#ours() : this.#foreign();
    const stamp = this.#stamp();
    const lines = event.map((line) => line.replace('\0', stamp));
    if (random.chance(1 / 60)) lines.splice(random.below(lines.length), 0, ...this.#last.slice(0, 2));
    if (random.chance(1 / 40)) lines.push(`type=AVC msg=${stamp}: avc:  denied  { read } for  pid=1`);
    if (random.chance(1 / 30)) lines.push(`type=EOE msg=${stamp}: `);
    if (random.chance(1 / 80)) lines.push('----', '');
    this.#last = lines;
    return random.chance(1 / 200) ? lines.map((line) => `node=hostb ${line}`) : lines;
  }

  #ours(): string[] {
    const event = this.#random.pick(EVENTS);
    return this.#oursHasProctitle ? event : event.filter((line) => !line.startsWith('type=PROCTITLE'));
  }

  #foreign(): string[] {
    const random = this.#random;
    const arch = random.chance(1 / 20) ? random.pick(ARCHITECTURES) : 'c000003e';
    const call = random.chance(1 / 20) ? random.pick(FOREIGN_CALLS) : '59';
    const [head = '', ...parts] = random.pick(CALLS);
    const lines = [head.replace(/arch=\w+ syscall=\d+/, `arch=${arch} syscall=${call}`), ...parts];
    if (random.chance(1 / 3))
      lines.splice(1, 0, 'type=EXECVE msg=\0: argc=1 a0="ls"', 'type=SOCKADDR msg=\0: saddr=10');
    if (random.chance(1 / 400))
      lines.splice(1, 0, `type=PATH msg=\0: name="${'/long'.repeat(random.below(14_000))}"`);
    return random.chance(1 / 40)
      ? lines.map((line) => line.replace('\0:', random.pick(['\0:', '\0: ', '\0', ' \0:'])))
      : lines;
  }

  #stamp(): string {
    const random = this.#random;
    this.#serial = (this.#serial + (random.chance(1 / 300) ? random.below(6000) : 1)) % 2 ** 32;
    this.#at_ms += random.chance(1 / 200) ? random.below(10_000) - 5000 : random.below(2000);
    const seconds = String(Math.floor(this.#at_ms / 1000));
    const ms = String(this.#at_ms % 1000).padStart(3, '0');
    const time = random.chance(1 / 100)
      ? random.pick([`0${seconds}.${ms}`, `9${seconds.slice(1)}.${ms}`, `1.${ms}`])
      : `${seconds}.${ms}`;
    const serial = `${random.chance(1 / 100) ? '0'.repeat(random.below(11)) : ''}${this.#serial}`;
    return `audit(${time}:${serial})`;
  }
}

function damagedLog(random: Random, events: number): Buffer {
  const log = new Log(random);
  const draft = new Draft(1 << 22);
  for (let i = 0; i < events; i++)
    for (const line of log.next()) {
      const bytes = Buffer.from(`${line}\n`, 'latin1');
      if (!draft.hasRoomFor(bytes)) return draft.written();
      draft.begin(bytes);
      if (random.chance(1 / HEAD_DAMAGED_ONE_IN)) damageHead(draft, random);
      if (random.chance(1 / DAMAGED_ONE_IN))
        mutate(draft, random, Buffer.from(`${random.pick(random.pick(EVENTS))}\n`, 'latin1'));
    }
  return draft.written();
}

function damageHead(draft: Draft, random: Random): void {
  const at = draft.lineStart + random.below(HEAD_BYTES);
  if (at >= draft.length) return;
  const change = random.below(6);
  if (change === 0) draft.remove(at, 1);
  if (change === 1) draft.open(at, 1);
  draft.bytes[at] = random.pick([...HEAD_TROUBLE]);
}

/** Chunks of which each begins and ends inside a line, or between a line and its newline. */
function* acrossNewlines(log: Buffer): Generator<Buffer> {
  let from = 0;
  for (let newline = log.indexOf(NEWLINE); newline >= 0; ) {
    const following = log.indexOf(NEWLINE, newline + 1);
    const to = newline + 1 + Math.ceil(((following < 0 ? log.length : following) - newline - 1) / 2);
    yield log.subarray(from, to);
    from = to;
    newline = following;
  }
  yield log.subarray(from);
}

/** Everything that a reader handed on, and what it remembers. */
interface Reading {
  said: string[];
  foreign: { lines: number; bytes: number };
  memory: string;
}

function read(chunks: Iterable<Buffer>, Reader = AuditReader): Reading {
  const said: string[] = [];
  const foreign = { lines: 0, bytes: 0 };
  const reader = new Reader(
    { cluster: 'lab', host: 'hosta', boot: null, file: 'audit.log' },
    {
      event: (event) => said.push(JSON.stringify({ ...event, witness: event.witness.toString('latin1') })),
      rejected: (line) => said.push(JSON.stringify({ ...line, bytes: line.bytes.toString('latin1') })),
      foreign: (lines, bytes) => {
        foreign.lines += lines;
        foreign.bytes += bytes;
      },
    },
  );
  for (const chunk of chunks) reader.write(chunk);
  reader.unsettled_bytes();
  const memory = reader.memory();
  reader.end();
  return { said, foreign, memory };
}

/** How many events the kernel found while `run` ran. */
function foundDuring(run: () => void): number {
  let found = 0;
  const { find } = ForeignRuns.prototype;
  const spy = vi.spyOn(ForeignRuns.prototype, 'find').mockImplementation(function (
    this: ForeignRuns,
    ...args
  ) {
    const runs = find.apply(this, args);
    found += runs.count;
    return runs;
  });
  run();
  spy.mockRestore();
  return found;
}

describe('runs of foreign events', () => {
  it.each(SEEDS)('are passed over as if each line had been read (seed %i)', (seed) => {
    const random = new Random(seed);
    let found = 0;
    for (let round = 0; round < 15; round++) {
      const log = damagedLog(random, 1500);
      const lineByLine: Reading[] = [];
      expect(foundDuring(() => lineByLine.push(read(acrossNewlines(log))))).toBe(0);
      found += foundDuring(() => expect(read(randomChunks(log, random))).toEqual(lineByLine[0]));
    }
    expect(found).toBeGreaterThan(700);
  });

  it('are nearly all of a log in which nothing else happens', () => {
    const lines: string[] = [];
    const events = 20_000;
    for (let serial = 1; serial <= events; serial++)
      lines.push(
        `type=SYSCALL msg=audit(1795400000.001:${serial}): arch=c000003e syscall=59 success=yes`,
        `type=EXECVE msg=audit(1795400000.001:${serial}): argc=1 a0="ls"`,
        `type=CWD msg=audit(1795400000.001:${serial}): cwd="/"`,
        `type=PROCTITLE msg=audit(1795400000.001:${serial}): proctitle="ls"`,
      );
    const log = Buffer.from(`${lines.join('\n')}\n`);
    const found = foundDuring(() =>
      expect(read([log]).foreign).toEqual({ lines: lines.length, bytes: log.length }),
    );
    expect(found).toBeGreaterThan(0.99 * events);
  });

  it('tell that a log has PROCTITLE records, so that an event of ours without one lacks it', () => {
    const event = (serial: number, call: number, ...parts: string[]) => [
      `type=SYSCALL msg=audit(1795400000.001:${serial}): arch=c000003e syscall=${call} success=yes exit=0 items=0`,
      ...parts.map((part) => `type=${part} msg=audit(1795400000.001:${serial}): x="y"`),
    ];
    const lines = [...event(1, 59), ...event(2, 59, 'CWD', 'PROCTITLE'), ...event(3, 59), ...event(4, 92)];
    let said: string[] = [];
    const found = foundDuring(() => {
      said = read([Buffer.from(`${lines.join('\n')}\n`)]).said;
    });
    expect(found).toBe(2);
    expect(said.join('\n')).toContain('"missing_records":["PROCTITLE"]');
  });

  it('are read line by line where there is no WebAssembly', async () => {
    vi.resetModules();
    vi.stubGlobal('WebAssembly', undefined);
    const { AuditReader: PlainReader } = await import('../../../src/collect/audit/reader.js');
    const log = damagedLog(new Random(1), 300);
    const plain = read([log], PlainReader);
    vi.unstubAllGlobals();
    expect(plain).toEqual(read([log]));
  });
});
