import { describe, expect, it } from 'vitest';
import { diffConfiguration, takenOver } from '../../src/config/diff.js';
import { load } from './loading.js';

async function configured(text: string, environment: Record<string, string> = {}) {
  return (await load(`cluster: lab\n${text}`, environment)).configuration;
}

describe('a configuration that was read again', () => {
  it('has no changes when it says the same', async () => {
    const [old, now] = [await configured(''), await configured('log: {level: info}\n')];
    expect(diffConfiguration(old, now)).toEqual([]);
  });

  it('tells what changed and what of it waits for a restart', async () => {
    const old = await configured('storage: {shared_paths: [/a]}\n');
    const now = await configured('log: {level: debug}\nstorage: {shared_paths: [/b]}\n');
    expect(diffConfiguration(old, now)).toEqual([
      { key: 'storage.shared_paths', from: ['/a'], to: ['/b'], needsRestart: true },
      { key: 'log.level', from: 'info', to: 'debug', needsRestart: false },
    ]);
  });

  it('tells another kind of section with its keys', async () => {
    const old = await configured('');
    const now = await configured('store: {kind: http, url: "https://db"}\n');
    expect(diffConfiguration(old, now).map(({ key, from, to }) => [key, from, to])).toEqual([
      ['store.kind', 'embedded', 'http'],
      ['store.url', undefined, 'https://db'],
      ['store.database', undefined, 'migration_audit'],
      ['store.replicated_on', undefined, null],
      ['store.user', undefined, 'default'],
      ['store.password_file', undefined, null],
      ['store.password', undefined, null],
    ]);
  });

  it('tells that a secret changed, not to what', async () => {
    const text = 'store: {kind: http, url: "https://db"}\n';
    const old = await configured(text, { MIGRATION_AUDIT_STORE_PASSWORD: 'hunter2' });
    const now = await configured(text, { MIGRATION_AUDIT_STORE_PASSWORD: 'hunter3' });
    const changes = diffConfiguration(old, now);
    expect(changes.map(({ key }) => key)).toEqual(['store.password']);
    expect(JSON.stringify(changes)).not.toContain('hunter');
    expect(diffConfiguration(old, old)).toEqual([]);
  });

  it('is taken over as far as a running process can', async () => {
    const old = await configured('');
    const now = await configured(
      'log: {level: debug, format: text}\nstore: {kind: http, url: "https://db"}\nlisten: {port: 1}\n',
    );
    const next = takenOver(old, now);
    expect(diffConfiguration(old, next).map(({ key }) => key)).toEqual(['log.level']);
    expect(diffConfiguration(next, now).every(({ needsRestart }) => needsRestart)).toBe(true);
    expect(Object.isFrozen(next.log)).toBe(true);
  });
});
