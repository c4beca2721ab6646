import { describe, expect, it } from 'vitest';
import { KEYS } from '../../src/config/keys.js';
import { load, problemsOf } from './loading.js';

describe('the environment', () => {
  it('goes before the file, for every form of value', async () => {
    const { configuration } = await load(
      'cluster: lab\nlisten: {port: 1}\ncollect: {libvirt: {events: true, guest_logs: /x}}\n',
      {
        MIGRATION_AUDIT_CLUSTER: '0815',
        MIGRATION_AUDIT_LISTEN_PORT: '9999',
        MIGRATION_AUDIT_COLLECT_LIBVIRT_EVENTS: 'false',
        MIGRATION_AUDIT_COLLECT_LIBVIRT_GUEST_LOGS: '',
        MIGRATION_AUDIT_STORAGE_SHARED_PATHS: '/a:/b',
        MIGRATION_AUDIT_STORAGE_LOCAL_PATHS: '',
      },
    );
    expect(configuration).toMatchObject({
      cluster: '0815',
      listen: { port: 9999 },
      collect: { libvirt: { events: false, guest_logs: null } },
      storage: { shared_paths: ['/a', '/b'], local_paths: [] },
    });
  });

  it('can choose the kind of a section and fill it', async () => {
    const { configuration } = await load('cluster: lab\nstore: {kind: embedded}\n', {
      MIGRATION_AUDIT_STORE_URL: 'https://db:8443',
      MIGRATION_AUDIT_STORE_KIND: 'http',
    });
    expect(configuration.store).toMatchObject({ kind: 'http', url: 'https://db:8443', user: 'default' });
  });

  it.each([
    ['MIGRATION_AUDIT_LISTEN_PROT', '1', ': names no key; did you mean MIGRATION_AUDIT_LISTEN_PORT?'],
    ['MIGRATION_AUDIT_STORE', 'x', ': names no key'],
    ['MIGRATION_AUDIT_', 'x', ': names no key'],
    ['MIGRATION_AUDIT_SERVICE_HOST', '10.0.0.1', ': names no key'],
    [
      'MIGRATION_AUDIT_LISTEN_PORT',
      '0x10',
      ': listen.port: expected whole number from 0 to 65535, not the text "0x10"',
    ],
    [
      'MIGRATION_AUDIT_LISTEN_PORT',
      '',
      ': listen.port: expected whole number from 0 to 65535, not the text ""',
    ],
    [
      'MIGRATION_AUDIT_COLLECT_LIBVIRT_EVENTS',
      '1',
      ': collect.libvirt.events: expected `true` or `false`, not the text "1"',
    ],
    [
      'MIGRATION_AUDIT_STORAGE_SHARED_PATHS',
      '/a:b',
      ': storage.shared_paths.1: expected absolute path, not the text "b"',
    ],
    ['MIGRATION_AUDIT_STORE_USER', 'x', ': store.user: is a key only with store.kind: http'],
  ])('is refused by name: %s=%s', async (variable, value, problem) => {
    const [found = '', ...others] = await problemsOf('cluster: lab\n', { [variable]: value });
    expect(others).toEqual([]);
    expect(found).toContain(variable + problem);
  });

  it('may hold what is no configuration', async () => {
    expect(
      await problemsOf('cluster: lab\n', {
        MIGRATION_AUDIT_DEBUG: '1',
        MIGRATION_AUDIT_CONFIG: '/x',
        PATH: '/bin',
      }),
    ).toEqual([]);
  });

  it('does not hide that the file has something else in place of a section', async () => {
    expect(await problemsOf('cluster: lab\nlisten: 5\n', { MIGRATION_AUDIT_LISTEN_PORT: '1' })).toEqual([
      'line 2: listen: expected keys below it, not 5',
    ]);
  });

  it('has one name for each key', () => {
    const variables = KEYS.map((key) => key.variable);
    expect(new Set(variables).size).toBe(KEYS.length);
    expect(variables.every((variable) => /^MIGRATION_AUDIT_[A-Z_]+$/.test(variable))).toBe(true);
  });
});
