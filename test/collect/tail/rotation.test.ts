import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AuditReader } from '../../../src/collect/audit/reader.js';
import {
  type LogCheckpoint,
  logCheckpointFrom,
  readCheckpoint,
  writeCheckpoint,
} from '../../../src/collect/tail/checkpoint.js';
import { FollowedLog, type LogOptions } from '../../../src/collect/tail/followed-log.js';
import type { Event } from '../../../src/events/event.js';
import { Random } from '../../../src/sim/random.js';
import { temporaryDirectory } from '../../replay/temporary-directory.js';
import { PLACE } from '../collecting.js';
import { RotatingWriter } from './rotating-writer.js';

const CAPTURES = new URL('../../golden/captures/', import.meta.url).pathname;
const NOBODY_COUNTS = { read: () => {}, foreign: () => {}, rejected: () => {} };
const GARBAGE = Buffer.from('type=SYSCALL msg=audit(nonsense): \xff\xfe\n', 'latin1');
const SEEDS = [...Array(40).keys(), Math.floor(Math.random() * 2 ** 31)];

/** What is durable of a log that is followed, killed and followed again. */
class Follows {
  readonly events = new Map<string, Event>();
  /** µs */
  now_us = 1_800_000_000_000_000;
  #kept: Buffer | null = null;
  #log: FollowedLog;
  readonly #options: LogOptions;

  constructor(path: string) {
    this.#options = {
      stream: 'audit',
      path,
      from: 'beginning',
      place: PLACE,
      reader: (origin, sink, memory) => new AuditReader(origin, sink, memory),
      clock: () => this.now_us,
    };
    this.#log = new FollowedLog(this.#options, NOBODY_COUNTS, null);
  }

  async turn(): Promise<boolean> {
    const { pace } = await this.#log.turn();
    this.now_us += 1000;
    return pace !== 'idle';
  }

  /** Events and checkpoint together. */
  keep(): void {
    for (const event of this.#log.takeEvents())
      if (!this.events.has(event.id)) this.events.set(event.id, event);
    const checkpoint = this.#log.checkpoint();
    if (checkpoint !== null) this.#kept = writeCheckpoint(checkpoint);
  }

  kill(): void {
    this.#log.close();
    const checkpoint: LogCheckpoint | null =
      this.#kept === null ? null : logCheckpointFrom(readCheckpoint(this.#kept));
    expect(checkpoint === null).toBe(this.#kept === null);
    this.#log = new FollowedLog(this.#options, NOBODY_COUNTS, checkpoint);
  }

  /** Reads what there is until nothing comes for seconds. */
  async finish(): Promise<void> {
    for (let rests = 0; rests < 5; ) {
      if (await this.turn()) continue;
      rests++;
      this.now_us += 3_000_000;
    }
    this.keep();
    this.#log.close();
  }
}

function linesOf(random: Random): Buffer[] {
  const captures = ['bounce-restart/hostb', 'shareable/hostb', 'enf-nfs-bool/hostb'];
  const log = readFileSync(join(CAPTURES, captures[random.below(captures.length)] as string, 'audit.log'));
  const lines: Buffer[] = [];
  for (let at = 0; at < log.length; ) {
    const end = log.indexOf(10, at) + 1;
    lines.push(log.subarray(at, end));
    at = end;
  }
  const from = random.below(Math.max(1, lines.length - 400));
  return lines
    .slice(from, from + 400)
    .flatMap((line, i) => (i < 350 && random.below(60) === 0 ? [GARBAGE, line] : [line]));
}

async function readAtOnce(lines: readonly Buffer[]): Promise<Map<string, Event>> {
  const path = join(temporaryDirectory(), 'audit.log');
  writeFileSync(path, Buffer.concat(lines));
  const follows = new Follows(path);
  await follows.finish();
  return follows.events;
}

async function readRotated(
  lines: readonly Buffer[],
  random: Random,
  options: { files_max: number; cuts: boolean; slow: boolean },
): Promise<Map<string, Event>> {
  const directory = temporaryDirectory();
  const writer = new RotatingWriter(directory, lines, random, options);
  const follows = new Follows(join(directory, 'audit.log'));
  // so that it is known where the log began
  await follows.turn();
  follows.keep();
  while (!writer.isDone) {
    for (let acts = 1 + random.below(options.slow ? 12 : 4); acts > 0; acts--) writer.act();
    for (let turns = random.below(8); turns > 0; turns--) {
      await follows.turn();
      if (random.below(3) === 0) follows.keep();
    }
    if (random.below(6) === 0) follows.kill();
  }
  await follows.finish();
  return follows.events;
}

/** Half an event may be of ours where the whole of it is seen not to be. */
function isCut(event: Event): boolean {
  return event.kind === 'RelabelObserved' && event.body.missing_records.length > 0;
}

function ids(events: ReadonlyMap<string, Event>): string[] {
  return [...events.keys()].sort();
}

describe('a log that is rotated while it is followed, and its follower killed', () => {
  it.each(SEEDS)('gives each event once, as one file that is read at once does, seed %i', async (seed) => {
    const random = new Random(seed);
    const lines = linesOf(random);
    const wanted = await readAtOnce(lines);
    const got = await readRotated(lines, random, {
      files_max: 1000,
      cuts: false,
      slow: random.below(2) === 0,
    });
    expect(wanted.size).toBeGreaterThan(10);
    expect(ids(got)).toEqual(ids(wanted));
  });

  it.each(SEEDS)('leaves a gap over what was destroyed before it was read, seed %i', async (seed) => {
    const random = new Random(seed);
    const lines = linesOf(random);
    const wanted = await readAtOnce(lines);
    const got = await readRotated(lines, random, { files_max: 2 + random.below(2), cuts: true, slow: true });
    const gaps = [...got.values()].flatMap((event) => (event.kind === 'GapDetected' ? [event.body] : []));
    const unexplained = [...wanted.values()].filter(
      ({ id, kind, at }) =>
        !got.has(id) &&
        kind !== 'GapDetected' &&
        !gaps.some(({ from, to }) => (from ?? 0) <= at && at <= (to ?? Number.POSITIVE_INFINITY)),
    );
    expect({
      unexplained: unexplained.map(({ id }) => id),
      gaps: unexplained.length === 0 ? [] : gaps,
    }).toEqual({ unexplained: [], gaps: [] });
    const strangers = [...got.values()].filter(
      (event) => !wanted.has(event.id) && event.kind !== 'GapDetected' && !isCut(event),
    );
    expect(strangers.map(({ id }) => id)).toEqual([]);
  });
});
