import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onReload, stopSignal } from '../../src/telemetry/process-signals.js';

describe('the stop signal', () => {
  it.each([
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGINT', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
  ])('is given by %s; %s after it exits with %i', (first, second, code) => {
    const source = new EventEmitter();
    const exits: number[] = [];
    const signal = stopSignal(source, (exit) => exits.push(exit));
    expect(signal.aborted).toBe(false);
    source.emit(first);
    expect({ aborted: signal.aborted, exits }).toEqual({ aborted: true, exits: [] });
    source.emit(second);
    expect(exits).toEqual([code]);
  });

  it('ends a real process that does not come to its end, at the second one', async () => {
    const module = join(new URL('../../', import.meta.url).pathname, 'src/telemetry/process-signals.ts');
    const script = `
      import { stopSignal } from ${JSON.stringify(module)};
      stopSignal(process, process.exit).addEventListener('abort', () => console.log('stopping'));
      setInterval(() => {}, 1000);
      console.log('ready');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      said.push(...chunk.trim().split('\n'));
      child.kill('SIGTERM');
    }
    const [code, signal] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode, null];
    expect({ said, code, signal }).toEqual({ said: ['ready', 'stopping'], code: 143, signal: null });
  });
});

describe('SIGHUP', () => {
  it('reads again, one at a time, and once more for all that came meanwhile', async () => {
    const source = new EventEmitter();
    const readings: (() => void)[] = [];
    onReload(
      source,
      () => new Promise((resolve) => readings.push(resolve)),
      () => {},
    );
    for (let i = 0; i < 4; i++) source.emit('SIGHUP');
    expect(readings).toHaveLength(1);
    readings[0]?.();
    await settled();
    expect(readings).toHaveLength(2);
    readings[1]?.();
    await settled();
    expect(readings).toHaveLength(2);
    source.emit('SIGHUP');
    expect(readings).toHaveLength(3);
  });

  it('that fails is told, and the next one is heard', async () => {
    const source = new EventEmitter();
    const failures: unknown[] = [];
    onReload(
      source,
      () => Promise.reject(new Error('refused')),
      (error) => failures.push(error),
    );
    source.emit('SIGHUP');
    await settled();
    source.emit('SIGHUP');
    await settled();
    expect(failures).toEqual([new Error('refused'), new Error('refused')]);
  });

  it('is no longer heard once that is ended', () => {
    const source = new EventEmitter();
    const end = onReload(
      source,
      () => Promise.reject(new Error('must not be called')),
      () => {},
    );
    end();
    expect(source.emit('SIGHUP')).toBe(false);
  });
});

/** After everything that was ready to run has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
