import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { HOST_CLOCK } from '../../../src/collect/process/clock.js';
import { runProgram } from '../../../src/collect/process/run-program.js';
import { program, temporaryDirectory } from '../stand-in.js';

const LIMITS = { timeout_ms: 10_000, output_bytes_max: 1 << 20 };

function run(script: string, args: string[] = [], limits: Partial<typeof LIMITS> = {}) {
  return runProgram(program(temporaryDirectory(), 'tool', script), args, { ...LIMITS, ...limits });
}

describe('runProgram', () => {
  it('passes arguments on as they are, and nothing else of this process', async () => {
    vi.stubEnv('MIGRATION_AUDIT_STORE_PASSWORD', 'hunter2');
    const ran = await run('printf "%s|" "$@"; echo; env; pwd; wc -c', ['a b', '$(id)', "';\n", '']);
    const [first, ...rest] = ran.stdout.toString().split("';\n||\n");
    expect(first).toBe('a b|$(id)|');
    expect(rest.join('')).toContain('LC_ALL=C\n');
    expect(rest.join('')).not.toContain('hunter2');
    // standard input is at its end
    expect(rest.join('')).toMatch(/\n\/\n0\n$/);
    expect(ran).toMatchObject({ exit: 0, said: '', failure: null });
    vi.unstubAllEnvs();
  });

  it('keeps the output of a program that fails, and says how it failed', async () => {
    const ran = await run('echo some; echo "first" >&2; printf "\\033[31mlast" >&2; exit 3');
    expect(ran.stdout.toString()).toBe('some\n');
    expect(ran).toMatchObject({ exit: 3, failure: expect.stringMatching(/^first \| \S*\[31mlast$/) });
    expect(ran.failure).not.toContain('\x1b');
    expect(await run('exit 3')).toMatchObject({ failure: 'ended with exit code 3' });
    expect(await run('kill -9 $$')).toMatchObject({ exit: null, failure: 'ended by SIGKILL' });
  });

  it('loses nothing of what is printed last', async () => {
    const script = 'i=0; while [ $i -lt 300 ]; do printf "%01000d" $i; i=$((i + 1)); done';
    for (let i = 0; i < 10; i++) expect((await run(script)).stdout).toHaveLength(300_000);
  });

  it('ends a program that takes too long, whatever it does about signals', async () => {
    const directory = temporaryDirectory();
    const path = program(directory, 'tool', `trap '' TERM; echo $$ > "$dir/pid"; while :; do sleep 1; done`);
    const ran = await runProgram(path, [], { ...LIMITS, timeout_ms: 300 });
    expect(ran.failure).toBe(`${path} took longer than 0.3 s`);
    expect(() => process.kill(Number(readFileSync(join(directory, 'pid'), 'utf8')), 0)).toThrow('ESRCH');
  }, 15_000);

  it('ends a program that prints too much', async () => {
    const ran = await run('while :; do echo 0123456789; done', [], { output_bytes_max: 100_000 });
    expect(ran.failure).toMatch(/printed more than 100000 bytes$/);
    expect(ran.stdout.length).toBeLessThanOrEqual(100_000);
  });

  it('keeps only the end of endless complaints', async () => {
    const ran = await run('i=0; while [ $i -lt 3000 ]; do echo "error $i" >&2; i=$((i + 1)); done; exit 1');
    expect(ran.failure?.length).toBeLessThan(400);
  });

  it('does not wait for a pipe that a grandchild holds open', async () => {
    const ran = await run('sleep 30 & echo done');
    expect(ran).toMatchObject({ exit: 0, failure: null });
    expect(ran.stdout.toString()).toBe('done\n');
  }, 15_000);

  it('stops when it is told to', async () => {
    const abort = new AbortController();
    const path = program(temporaryDirectory(), 'tool', 'exec sleep 60');
    const running = runProgram(path, [], { ...LIMITS, signal: abort.signal });
    abort.abort();
    expect((await running).failure).toBe(`${path} was stopped`);
  });

  it('says why a program cannot be started', async () => {
    const directory = temporaryDirectory();
    const plain = join(directory, 'plain');
    writeFileSync(plain, '#!/bin/sh\n', { mode: 0o644 });
    const [missing, notPermitted, tooMuch] = await Promise.all([
      runProgram(join(directory, 'missing'), [], LIMITS),
      runProgram(plain, [], LIMITS),
      runProgram('/bin/true', ['x'.repeat(4 << 20)], LIMITS),
    ]);
    expect(missing.failure).toMatch(/missing: no such program$/);
    expect(notPermitted.failure).toMatch(/plain: not permitted to run it$/);
    expect(tooMuch.failure).toContain('E2BIG');
    expect(existsSync(plain)).toBe(true);
  });
});

describe('HOST_CLOCK', () => {
  it('is woken by an abort, also by one from before', async () => {
    const abort = new AbortController();
    const sleeping = HOST_CLOCK.sleep(3_600_000, abort.signal);
    abort.abort();
    await sleeping;
    await HOST_CLOCK.sleep(3_600_000, abort.signal);
    expect(Math.abs(HOST_CLOCK.now_us() / 1000 - Date.now())).toBeLessThan(60_000);
  });
});
