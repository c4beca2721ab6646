import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import type { Topic } from '../../src/eventlog/port.js';
import { encodeEvent } from '../../src/events/codec.js';
import { delay } from '../../src/sim/disturb.js';
import { Random } from '../../src/sim/random.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { compiled } from './compiled.js';

const POINTS = ['before-transaction', 'before-commit', 'after-commit', 'after-acknowledge'];
/** of each seed */
const KILLS = 80;
const BATCH = 12;
/** One that once found records in another batch, and one of chance. */
const SEEDS = [1_156_864_824, Math.floor(Math.random() * 2 ** 31)];
const LOG = { bytes_max: 1 << 28, retain_us: 1e15 };

let work = '';
let child: ReturnType<typeof compiled>;
beforeAll(async () => {
  child = compiled(new URL('./kill-child.ts', import.meta.url).pathname);
  work = await mkdtemp(join(tmpdir(), 'migration-audit-stream-kill-'));
});
afterAll(() => {
  child.remove();
  return rm(work, { recursive: true, force: true });
});

describe('a processor that is killed', () => {
  it.each(SEEDS)(
    `${KILLS} times publishes what one that lives does, each record once (seed %i)`,
    {
      timeout: 600_000,
    },
    async (seed) => {
      const random = new Random(seed);
      let kills = 0;
      for (let history = 0; kills < KILLS; history++) {
        const template = join(work, `events-${seed}-${history}`);
        await writeEvents(template, random);
        const [steady, killed] = [
          join(work, `steady-${seed}-${history}`),
          join(work, `killed-${seed}-${history}`),
        ];
        await Promise.all([steady, killed].map((copy) => cp(template, copy, { recursive: true })));
        expect(run(steady)).toBe(null);
        while (run(killed, random.pick(POINTS), random.between(1, 4)) === 'SIGKILL') kills++;
        for (const topic of ['timeline', 'findings', 'dead-letters', 'state'] as const) {
          const expected = await recordsOf(steady, topic);
          expect(await recordsOf(killed, topic), topic).toEqual(expected);
          if (topic === 'timeline') expect(expected.length).toBeGreaterThan(0);
        }
      }
    },
  );
});

/** A history with late events, some twice, and a record that is none. */
async function writeEvents(directory: string, random: Random): Promise<void> {
  const { events } = simulate(randomPlan(random.between(0, 1e6)));
  const values = delay(events, random).slice(0, 400).map(encodeEvent);
  const again = values.filter(() => random.chance(0.05));
  const records = [...values, ...again, Buffer.from('no event')].map((value) => ({
    key: 'lab',
    value,
    id: null,
  }));
  const log = openLocalLog({ ...LOG, directory });
  await log.append({ records: random.chance(0.5) ? records : records.reverse(), checkpoints: new Map() });
  await log.close();
}

/** Returns the signal that ended it; null when it came to the end of the log. */
function run(directory: string, point = '', nth = 0): NodeJS.Signals | null {
  const args = [child.program, directory, String(BATCH), point, String(nth)];
  const { status, signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  if (signal === null) expect(status).toBe(0);
  return signal;
}

/** Every record, its value as a hash; those of `state` by key, since their order tells nothing. */
async function recordsOf(directory: string, topic: Topic): Promise<string[]> {
  const log = openLocalLog({ ...LOG, directory });
  const { records } = log.statistics().topics[topic];
  const read: string[] = [];
  const stop = new AbortController();
  if (records === 0) stop.abort();
  const note = (key: string, value: Buffer) => read.push(`${key} ${hashOf(value)}`);
  await log.process({
    group: `reader of ${topic}`,
    topic: topic === 'state' ? 'events' : topic,
    signal: stop.signal,
    batch_records_max: 1000,
    batch_bytes_max: 1 << 24,
    idle_ms: null,
    outputs: [],
    handler: {
      async begin(_partition, state) {
        if (topic !== 'state') return;
        for await (const { key, value } of state) note(key, value);
        stop.abort();
      },
      async take(batch) {
        for (const { key, value } of batch) note(key, value);
        if (read.length === records) stop.abort();
        return [];
      },
      async end() {},
    },
  });
  await log.close();
  return topic === 'state' ? read.sort() : read;
}

function hashOf(value: Buffer): string {
  return createHash('sha256').update(value).digest('base64url');
}
