import { spawn } from 'node:child_process';
import { cp, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';

const CHILD = new URL('./damage-child.ts', import.meta.url).pathname;
const VALUES = Array.from({ length: 400 }, (_, n) => `${n} ${String(n * n).repeat(40)}`);
const DAMAGES = 24;
const SEED = 20_261_124;

let work = '';
let whole = '';

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'migration-audit-damage-'));
  whole = join(work, 'whole');
  const log = openLocalLog({ directory: whole, bytes_max: 1 << 24, retain_us: 1e12 });
  for (let from = 0; from < VALUES.length; from += 50) {
    const records = VALUES.slice(from, from + 50).map((value, i) => ({
      key: 'k',
      value: Buffer.from(value),
      id: `id-${from + i}`,
    }));
    await log.append({ records, checkpoints: new Map([['source', Buffer.from(String(from))]]) });
  }
  await log.close();
});

afterAll(() => rm(work, { recursive: true, force: true }));

describe('a damaged log', { timeout: 300_000 }, () => {
  it('is read whole when nothing is wrong with it', async () => {
    expect(await readIn(await copy('sound'))).toEqual([...VALUES, 'end']);
  });

  it('with one bit flipped gives what was written, and ends with an error where it cannot', async () => {
    let found = 0;
    for (const [index, random] of randoms(DAMAGES).entries()) {
      const directory = await copy(`flip-${index}`);
      const file = await open(join(directory, 'data.mdb'), 'r+');
      const { size } = await file.stat();
      const at = random % size;
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, at);
      byte[0] = (byte[0] as number) ^ (1 << (random % 8));
      await file.write(byte, 0, 1, at);
      await file.close();
      const lines = await readIn(directory);
      expectNothingWrong(lines, `bit ${random % 8} of byte ${at}`);
      if (lines.at(-1) === 'MA_LOG_DAMAGED') found++;
    }
    expect(found).toBeGreaterThan(0);
  });

  it('cut short gives what was written, and ends with an error where it cannot', async () => {
    for (const [index, random] of randoms(DAMAGES).entries()) {
      const directory = await copy(`cut-${index}`);
      const path = join(directory, 'data.mdb');
      const length = random % (await stat(path)).size;
      await truncate(path, length);
      expectNothingWrong(await readIn(directory), `cut to ${length} bytes`);
    }
  });
});

/** Whatever was read is what was written, in its order and from the beginning; all of it when no error came. */
function expectNothingWrong(lines: readonly string[], damage: string): void {
  const last = lines.at(-1) ?? '';
  const values = lines.slice(0, -1);
  expect(values, damage).toEqual(VALUES.slice(0, values.length));
  if (last === 'end') expect(values.length === VALUES.length, `${damage}: ended early`).toBe(true);
  else expect(last, damage).toMatch(/^(?:MA_LOG_[A-Z_]+|killed by SIG[A-Z]+)$/);
}

async function copy(name: string): Promise<string> {
  const directory = join(work, name);
  await cp(whole, directory, { recursive: true });
  return directory;
}

/** What the child printed; its last line says how it ended. LMDB may end the process on pages that make no sense. */
function readIn(directory: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', CHILD, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('latin1').on('data', (part: string) => {
      text += part;
    });
    child.on('error', reject);
    child.on('close', (_code, signal) => {
      const lines = text.split('\n').slice(0, -1);
      resolve(signal === null ? lines : [...lines, `killed by ${signal}`]);
    });
  });
}

function randoms(count: number): number[] {
  let random = SEED;
  return Array.from({ length: count }, () => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return (random >>> 3) ^ ((random << 11) >>> 0);
  }).map((value) => value >>> 0);
}
