import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import { readUntil, taken } from './contract.js';

const POINTS = ['before-transaction', 'before-commit', 'after-commit', 'after-acknowledge'];
const KILLS = 20;
const CHILD = new URL('./kill-child.ts', import.meta.url).pathname;
const SEEDS = [1, Math.floor(Math.random() * 2 ** 31)];

describe('a process killed', () => {
  for (const [index, point] of POINTS.entries()) {
    const seed = SEEDS[index % 2]!;
    it(`${point} loses nothing acknowledged and doubles nothing, seed ${seed}`, {
      timeout: 300_000,
    }, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'migration-audit-kill-'));
      let random = seed;
      for (let kill = 0; kill < KILLS; kill++) {
        random = (Math.imul(random, 1103515245) + 12345) >>> 0;
        const nth = 1 + ((random >>> 16) % 12);
        const args = ['--import', 'tsx', CHILD, directory, point, String(nth)];
        const { signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        expect(stderr).toBe('');
        expect(signal).toBe('SIGKILL');
        const acknowledged = Number(stdout.trim().split('\n').at(-1) ?? 0);
        await check(directory, acknowledged, `check ${kill}`);
      }
      await rm(directory, { recursive: true });
    });
  }
});

async function check(directory: string, acknowledged: number, group: string): Promise<void> {
  const log = openLocalLog({ directory, bytes_max: 1 << 24, retain_us: 1e12 });
  const { events, timeline } = log.statistics().topics;
  expect(events.records).toBeGreaterThanOrEqual(acknowledged);
  expect(Number(log.checkpoint('source')?.toString() ?? 0)).toBe(events.records);
  const lag = log.lag('copy', 'events').records;
  expect(timeline.records).toBe(events.records - lag);
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i));
  const read = await readUntil(log, { group, topic: 'events' }, taken(events.records));
  expect(read.taken).toEqual(numbers(events.records));
  const copies = await readUntil(log, { group, topic: 'timeline' }, taken(timeline.records));
  expect(copies.taken).toEqual(numbers(timeline.records));
  expect(copies.states.map(({ value }) => Number(value.toString()))).toEqual(
    timeline.records === 0 ? [] : [timeline.records],
  );
  await log.close();
}
