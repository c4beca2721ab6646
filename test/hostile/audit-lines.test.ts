import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AuditReader } from '../../src/collect/audit/reader.js';
import { Random } from '../../src/sim/random.js';
import { SEEDS } from '../events/seeds.js';
import { Draft, mutate, randomChunks } from './mutations.js';
import { Tally } from './tally.js';

const GOLDEN = join(import.meta.dirname, '../golden');
const ORIGIN = { cluster: 'lab', host: 'hosta', boot: null, file: 'audit.log' };
const NEWLINE = 0x0a;

const LINES_PER_SEED = 1_000_000;
const BLOCK_BYTES = 1 << 20;
const RUN_LINES_MAX = 12;
const RSS_GROWTH_MAX = 300 << 20;

/** Real lines, each with its newline, in the order of their files. */
const LINES = [...recordFiles(), ...captureFiles()].flatMap((file) => linesOf(readFileSync(file)));

function recordFiles(): string[] {
  return readdirSync(join(GOLDEN, 'audit-records')).flatMap((name) =>
    readdirSync(join(GOLDEN, 'audit-records', name))
      .filter((file) => file.endsWith('.log'))
      .map((file) => join(GOLDEN, 'audit-records', name, file)),
  );
}

function captureFiles(): string[] {
  return readdirSync(join(GOLDEN, 'captures')).flatMap((name) =>
    ['hosta', 'hostb'].map((host) => join(GOLDEN, 'captures', name, host, 'audit.log')),
  );
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, from);
    const to = newline < 0 ? bytes.length : newline + 1;
    lines.push(bytes.subarray(from, to));
    from = to;
  }
  return lines;
}

const STAMP = Buffer.from('msg=audit(');
/** the last digits of the seconds, which may change without the line being less of a record */
const SECONDS_VARIED = { from: STAMP.length + 5, to: STAMP.length + 10 };

/** Lines that follow each other in a log, moved together to another time so that they are an event of their own. */
function addRun(draft: Draft, random: Random): number {
  const first = random.below(LINES.length);
  const seconds = Array.from(
    { length: SECONDS_VARIED.to - SECONDS_VARIED.from },
    () => 0x30 + random.below(10),
  );
  const isWhole = random.chance(1 / 4);
  const count = Math.min(1 + random.below(RUN_LINES_MAX), LINES.length - first);
  for (let i = 0; i < count; i++) {
    const line = LINES[first + i] as Buffer;
    if (!draft.hasRoomFor(line)) return i;
    draft.begin(line);
    const stamp = draft.bytes.subarray(draft.lineStart, draft.length).indexOf(STAMP);
    if (stamp >= 0) draft.bytes.set(seconds, draft.lineStart + stamp + SECONDS_VARIED.from);
    if (!isWhole && random.chance(1 / 2)) mutate(draft, random, random.pick(LINES));
  }
  return count;
}

/** 1 MiB of memory of its own, since a reader may keep parts of what it is given. */
function block(random: Random): { bytes: Buffer; lines: number } {
  const draft = new Draft(BLOCK_BYTES);
  let lines = 0;
  for (let added = 1; added > 0; lines += added) added = addRun(draft, random);
  return { bytes: draft.written(), lines };
}

describe('AuditReader', () => {
  it.each(SEEDS)(
    'accounts for every byte of a million damaged lines, in bounded memory (seed %i)',
    (seed) => {
      const random = new Random(seed);
      const tally = new Tally();
      const reader = new AuditReader(ORIGIN, tally);
      const rssBefore = process.memoryUsage().rss;
      let lines = 0;
      let bytes = 0;
      let last = NEWLINE;
      while (lines < LINES_PER_SEED) {
        const damaged = block(random);
        for (const chunk of randomChunks(damaged.bytes, random)) reader.write(chunk);
        lines += damaged.lines;
        bytes += damaged.bytes.length;
        last = damaged.bytes.at(-1) as number;
      }
      reader.end();
      const newlineLost = last === NEWLINE ? 0 : 1;
      expect(tally.accountedBytes).toBe(bytes + newlineLost);
      expect(tally.events).toBeGreaterThan(lines / 100);
      expect([...tally.reasons.keys()].sort()).toEqual([
        'bad-stamp',
        'garbled-syscall',
        'late-record',
        'line-too-long',
        'not-a-record',
        'unterminated-message',
      ]);
      expect(process.memoryUsage().rss - rssBefore).toBeLessThan(RSS_GROWTH_MAX);
    },
  );
});
