import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { runCommand } from './run-command.js';

/**
 * The embedded engine holds one directory per process for good, so these run the program as a process of its own.
 */
const ROOT = new URL('../../', import.meta.url).pathname;
const MISMATCH = join(ROOT, 'test/golden/captures/s4-mismatch-fail');

interface Ran {
  exit: number;
  out: string;
  err: string;
}

async function program(...argv: string[]): Promise<Ran> {
  const args = ['--import', 'tsx', join(ROOT, 'src/cli.ts'), ...argv];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    return { exit: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { exit: code, out: stdout, err: stderr };
  }
}

function configurationFor(data_directory: string): string {
  const file = join(temporaryDirectory(), 'config.yaml');
  writeFileSync(file, `cluster: lab\ndata_directory: ${data_directory}\n`);
  return file;
}

describe('a store that replay filled', () => {
  const data = mkdtempSync(join(tmpdir(), 'migration-audit-test-'));
  const store = join(data, 'store');
  let replayed: Ran;
  let finding: { id: string; migration: string };

  beforeAll(async () => {
    replayed = await program('replay', MISMATCH, '--store', store, '--format', 'json');
    finding = JSON.parse(replayed.out).findings[0];
    return () => rmSync(data, { recursive: true, force: true });
  });

  it('changes nothing about what replay prints', async () => {
    const { out, exit } = await runCommand(['replay', MISMATCH, '--format', 'json']);
    expect({ out: replayed.out, exit: replayed.exit }).toEqual({ out, exit });
  });

  it('lists its findings', async () => {
    const { exit, out } = await program('findings', '--store', store);
    expect(exit).toBe(1);
    expect(out).toMatch(/^1 finding: 1 violation\n\nVIOLATION/);
    expect(out).toContain(finding.id);
  });

  it('lists none of another guest, and exits with 0', async () => {
    expect(await program('findings', '--store', store, '--guest', 'vm2')).toMatchObject({
      exit: 0,
      out: 'No findings.\n',
    });
  });

  it('shows a finding as replay does', async () => {
    const { exit, out } = await program('findings', finding.id, '--store', store);
    const { out: page } = await runCommand(['replay', MISMATCH]);
    expect(exit).toBe(1);
    expect(page.startsWith(out.slice(0, out.indexOf('WHAT HAPPENED')))).toBe(true);
    expect(out).toContain('THE RECORDS');
  });

  it('shows the timeline of a guest, a migration and a finding', async () => {
    for (const name of ['vm1', finding.migration, finding.id]) {
      const { exit, out } = await program('timeline', name, '--store', store);
      expect(exit).toBe(0);
      expect(out).toMatch(/^WHAT HAPPENED/);
      expect(out).toContain('✗');
    }
  });

  it('gives the timeline as JSON', async () => {
    const { out } = await program('timeline', 'vm1', '--store', store, '--format', 'json');
    expect(JSON.parse(out).timeline.length).toBeGreaterThan(3);
  });

  it('is read by the configuration that names it', async () => {
    const config = configurationFor(data);
    const { exit, out } = await program('findings', '--config', config);
    expect(exit).toBe(1);
    expect(out).toContain(finding.id);
    const { out: timeline } = await program('timeline', 'vm1', '--config', config);
    expect(timeline).toMatch(/^WHAT HAPPENED/);
    const json = await program('findings', '--config', config, '--format', 'json');
    expect(JSON.parse(json.out).findings[0]).toMatchObject({ confirmed: null, waits_for: [] });
  });

  it('says what it does not have', async () => {
    for (const argv of [
      ['timeline', 'vm9'],
      ['findings', 'F-none'],
    ]) {
      const { exit, err } = await program(...argv, '--store', store);
      expect(exit).toBe(3);
      expect(err).toMatch(/^error MA_NOT_IN_STORE: .*\n {2}hint: /);
    }
  });
});

describe('a store that is not there', () => {
  it('is not made by asking for it', async () => {
    const store = join(temporaryDirectory(), 'none');
    const { exit, err } = await runCommand(['findings', '--store', store]);
    expect(exit).toBe(3);
    expect(err).toContain('MA_NOT_FOUND');
    expect(err).toContain('--store DIRECTORY');
    expect(existsSync(store)).toBe(false);
  });

  it('nor by a configuration that names it', async () => {
    const data = temporaryDirectory();
    const { exit, err } = await runCommand(['findings', '--config', configurationFor(data)]);
    expect(exit).toBe(3);
    expect(err).toContain(
      `MA_NOT_FOUND: no such file or directory: there is no store: ${join(data, 'store')}`,
    );
    expect(existsSync(join(data, 'store'))).toBe(false);
  });

  it('cannot be named in two ways', async () => {
    const { exit, err } = await runCommand(['findings', '--config', 'x.yaml', '--store', 'y']);
    expect(exit).toBe(2);
    expect(err).toContain('MA_USAGE');
  });

  it('is looked for in the state directory of the user', async () => {
    const home = temporaryDirectory();
    const byState = await runCommand(['findings'], { env: { XDG_STATE_HOME: join(home, 'state') } });
    expect(byState.err).toContain(join(home, 'state/migration-audit/store'));
    const byHome = await runCommand(['findings'], { env: { HOME: home } });
    expect(byHome.err).toContain(join(home, '.local/state/migration-audit/store'));
  });
});

describe('demo', () => {
  it('shows the shipped incident, what to try next, and leaves nothing behind', async () => {
    const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('migration-audit-demo-'));
    const before = leftovers();
    const { exit, out } = await program('demo');
    expect(exit).toBe(0);
    expect(out).toContain('VIOLATION');
    expect(out).toContain('What to try next');
    expect(leftovers()).toEqual(before);
  });
});

describe('a pipe that closes early', () => {
  it('ends the program quietly', async () => {
    const command = `"${process.execPath}" --import tsx src/cli.ts replay "${MISMATCH}" --full --format json | head -c 10`;
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', command], { cwd: ROOT });
    expect({ stdout, stderr: stderr.replace(/^note: .*\n/, '') }).toEqual({
      stdout: '{\n"hosts":',
      stderr: '',
    });
  });
});
