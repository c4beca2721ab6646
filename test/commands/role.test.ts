import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Io } from '../../src/commands/io.js';
import { type Role, runRole, runStages, type Stage } from '../../src/commands/role.js';
import { MigrationAuditError } from '../../src/domain/errors.js';
import { aborted } from '../../src/waiting/pause.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';

const LISTEN = 'listen: {port: 0}\n';

interface Running {
  lines: () => Record<string, unknown>[];
  signals: EventEmitter;
  stop: () => void;
  file: string;
  ended: Promise<void>;
}

function start(text: string, main: Role['main'], env: Record<string, string> = {}): Running {
  const file = join(temporaryDirectory({ 'c.yaml': text }), 'c.yaml');
  const signals = new EventEmitter();
  const stop = new AbortController();
  const written: string[] = [];
  const output = { write: (line: string) => void written.push(line), isTerminal: false, columns: 80 };
  const io: Io = { out: output, err: output, env, self: 'migration-audit', signal: stop.signal, signals };
  return {
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
    signals,
    stop: () => stop.abort(),
    file,
    ended: runRole(io, file, { name: 'collect', parts: ['collect'], main }),
  };
}

async function seen(running: Running, message: string): Promise<Record<string, unknown>> {
  for (;;) {
    const found = running.lines().find(({ msg }) => msg === message);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a role', () => {
  it('answers on its port, says what it is not ready for, and ends on the signal', async () => {
    const running = start(`cluster: lab\nhost: hosta\n${LISTEN}`, async ({ health, signal }) => {
      health.condition('source audit').notReady('no such file');
      await aborted(signal);
    });
    const { port } = await seen(running, 'started');
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect([answer.status, await answer.json()]).toMatchObject([
      503,
      { conditions: [{ name: 'source audit', ready: false, reason: 'no such file' }] },
    ]);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toContain('migration_audit_ready{condition="source audit"} 0\n');
    running.stop();
    await running.ended;
    expect(running.lines().at(-1)).toMatchObject({ role: 'collect', host: 'hosta', msg: 'ended' });
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
  });

  it('takes over on SIGHUP what it can, and goes on with the old where the new cannot be used', async () => {
    let current = () => Number.NaN;
    const text = (heartbeat_s: number, level: string) =>
      `cluster: lab\nhost: hosta\n${LISTEN}collect: {heartbeat: {every_s: ${heartbeat_s}}}\nlog: {level: ${level}}\n`;
    const running = start(text(10, 'info'), async ({ configuration, signal }) => {
      current = () => configuration().collect.heartbeat.every_s;
      await aborted(signal);
    });
    await seen(running, 'started');
    writeFileSync(running.file, `${text(20, 'debug')}data_directory: /elsewhere\n`);
    running.signals.emit('SIGHUP');
    expect(await seen(running, 'changed')).toMatchObject({ key: 'collect.heartbeat.every_s', to: 20 });
    expect(await seen(running, 'changed, and waits for a restart')).toMatchObject({ key: 'data_directory' });
    expect(current()).toBe(20);
    writeFileSync(running.file, text(0, 'info'));
    running.signals.emit('SIGHUP');
    await seen(running, 'the new configuration cannot be used; going on with the old one');
    expect(current()).toBe(20);
    running.stop();
    await running.ended;
    expect(running.signals.listenerCount('SIGHUP')).toBe(0);
  });

  it('logs what ends it, without the secrets of its configuration', async () => {
    const store = 'store: {kind: http, url: "http://127.0.0.1:1"}\n';
    const env = { MIGRATION_AUDIT_STORE_PASSWORD: 'hunter22' };
    const running = start(
      `cluster: lab\n${LISTEN}${store}`,
      async () => {
        throw new MigrationAuditError('MA_STORE', 'events', 'refused hunter22');
      },
      env,
    );
    await expect(running.ended).rejects.toThrow('the store refused');
    expect(running.lines().at(-1)).toMatchObject({
      level: 'fatal',
      err: { code: 'MA_STORE', message: 'the store refused: refused [secret]' },
    });
  });
});

describe('stages', () => {
  const stage = (name: string, ended: string[], isCaughtUp?: () => boolean): Stage => ({
    async run(signal) {
      await aborted(signal);
      ended.push(name);
    },
    ...(isCaughtUp && { isCaughtUp }),
  });

  it('end in their order, each once it has caught up with those before', async () => {
    const ended: string[] = [];
    const stop = new AbortController();
    let left = 3;
    const second = stage('second', ended, () => {
      expect(ended).toEqual(['first']);
      return --left === 0;
    });
    const running = runStages(stop.signal, [stage('first', ended), second, stage('third', ended)]);
    stop.abort();
    await running;
    expect(ended).toEqual(['first', 'second', 'third']);
    expect(left).toBe(0);
  });

  it('all end at once when one fails, and its error is thrown after the others have ended', async () => {
    const ended: string[] = [];
    const failing: Stage = {
      async run() {
        throw new Error('the second');
      },
    };
    const never = stage('third', ended, () => false);
    const running = runStages(new AbortController().signal, [stage('first', ended), failing, never]);
    await expect(running).rejects.toThrow('the second');
    expect(ended.sort()).toEqual(['first', 'third']);
  });

  it('all end when one comes to its end by itself', async () => {
    const ended: string[] = [];
    await runStages(new AbortController().signal, [stage('first', ended), { run: async () => {} }]);
    expect(ended).toEqual(['first']);
  });
});
