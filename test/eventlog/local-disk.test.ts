import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import { append, readUntil, record, taken } from './contract.js';

const DISK_BYTES = 3 << 20;
const BALLAST_BYTES = 1 << 20;

/** A file system of its own, which only an administrator can have. */
const disk = mkdtempSync(join(tmpdir(), 'migration-audit-disk-'));
const mounting = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk], {
  encoding: 'utf8',
});
const isMounted = mounting.status === 0;
if (!isMounted) console.warn(`The test with a full disk needs the right to mount: ${mounting.stderr.trim()}`);

afterAll(() => {
  if (isMounted) spawnSync('umount', [disk]);
  rmSync(disk, { recursive: true });
});

describe.skipIf(!isMounted)('a log on a full disk', () => {
  it('refuses what has no room, keeps what it had, and goes on when there is room again', async () => {
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(BALLAST_BYTES));
    const options = { directory: join(disk, 'log'), bytes_max: 1 << 26, retain_us: 1e15 };
    const log = openLocalLog(options);
    let written = 0;
    const add = async () => {
      const names = Array.from({ length: 20 }, (_, n) => `${written + n} `.padEnd(1_000, 'x'));
      await append(
        log,
        names.map((name) => record(name)),
        [['source', Buffer.from(String(written + 20))]],
      );
      written += 20;
    };
    let refused: unknown = null;
    while (refused === null) await add().catch((error) => (refused = error));
    expect(refused).toMatchObject({ code: 'MA_LOG_FULL', where: options.directory });
    expect(written).toBeGreaterThan(0);
    expect(log.statistics().topics.events.records).toBe(written);
    expect(log.checkpoint('source')?.toString()).toBe(String(written));

    rmSync(ballast);
    await add();
    await log.close();
    const again = openLocalLog(options);
    const { taken: values } = await readUntil(again, {}, taken(written));
    expect(values.map((value) => Number.parseInt(value, 10))).toEqual(
      Array.from({ length: written }, (_, n) => n),
    );
    await again.close();
  });
});

describe('a log that a process writes to', () => {
  it('is refused to a second process, and given to the next one after that ended', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'migration-audit-holder-'));
    const options = { directory, bytes_max: 1 << 20, retain_us: 1e9 };
    const open = () => {
      const script = `
        const { openLocalLog } = await import(process.argv[1]);
        try { await openLocalLog(JSON.parse(process.argv[2])).close(); console.log('opened'); }
        catch (error) { console.log(error.code); }`;
      const module = new URL('../../src/eventlog/local/local-log.ts', import.meta.url).pathname;
      const args = ['--import', 'tsx', '--input-type=module', '-e', script, module, JSON.stringify(options)];
      return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim();
    };
    const log = openLocalLog(options);
    expect(open()).toBe('MA_LOG_IN_USE');
    await append(log, [record('a')]);
    await log.close();
    expect(open()).toBe('opened');
    rmSync(directory, { recursive: true });
  });
});
