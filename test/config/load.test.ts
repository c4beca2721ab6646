import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkConfiguration, loadConfiguration } from '../../src/config/load.js';
import { MigrationAuditError } from '../../src/domain/errors.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { check, load, problemsOf } from './loading.js';

describe('a configuration', () => {
  it('needs a cluster and has a default for everything else', async () => {
    const { configuration } = await load('cluster: lab\n');
    expect(configuration).toMatchObject({
      cluster: 'lab',
      host: hostname(),
      collect: { audit: { path: '/var/log/audit/audit.log', from: 'end' } },
      store: { kind: 'embedded' },
      listen: { address: '127.0.0.1', port: 9470 },
    });
  });

  it('can come from the environment alone', async () => {
    const { configuration, file } = await loadConfiguration({
      environment: { MIGRATION_AUDIT_CLUSTER: 'lab' },
    });
    expect({ file, cluster: configuration.cluster }).toEqual({ file: null, cluster: 'lab' });
  });

  it('is read from the file that MIGRATION_AUDIT_CONFIG names, unless another one is named', async () => {
    const directory = temporaryDirectory({ a: 'cluster: a\n', b: 'cluster: b\n' });
    const environment = { MIGRATION_AUDIT_CONFIG: join(directory, 'a') };
    const byName = await loadConfiguration({ file: join(directory, 'b'), environment });
    expect((await loadConfiguration({ environment })).configuration.cluster).toBe('a');
    expect(byName.configuration.cluster).toBe('b');
  });

  it('cannot be changed by whoever holds it', async () => {
    const { configuration } = await load('cluster: lab\nstorage: {shared_paths: [/srv]}\n');
    expect(() => Object.assign(configuration.collect.audit, { path: '/x' })).toThrow(TypeError);
    expect(() => (configuration.storage.shared_paths as string[]).push('/x')).toThrow(TypeError);
  });

  it('has paths without detours, so that they compare', async () => {
    const { configuration } = await load('cluster: lab\nstorage: {shared_paths: [/srv//a/../b/, /]}\n');
    expect(configuration.storage.shared_paths).toEqual(['/srv/b', '/']);
  });

  it('may have sections with nothing in them', async () => {
    const { configuration } = await load('cluster: lab\ncollect:\n  audit:\n    # path: /x\nlog:\n');
    expect(configuration.collect.audit.from).toBe('end');
  });

  it('tells where each value came from', async () => {
    const { origins } = await load('cluster: lab\nlog:\n  level: warn\n  format: text\n', {
      MIGRATION_AUDIT_LOG_FORMAT: 'json',
    });
    expect(origins.get('cluster')).toEqual({ from: 'file', line: 1 });
    expect(origins.get('log.level')).toEqual({ from: 'file', line: 3 });
    expect(origins.get('log.format')).toEqual({
      from: 'environment',
      variable: 'MIGRATION_AUDIT_LOG_FORMAT',
    });
    expect(origins.get('host')).toEqual({ from: 'default' });
  });
});

describe('a key that is not known', () => {
  it.each([
    ['colect: {}', 'line 2: colect: unknown key; did you mean collect?'],
    [
      'collect: {audit: {pth: /x}}',
      'line 2: collect.audit.pth: unknown key; did you mean collect.audit.path?',
    ],
    ['port: 1', 'line 2: port: unknown key; did you mean listen.port?'],
    ['listen.port: 1', 'line 2: listen.port: unknown key; did you mean listen.port?'],
    ['xyzzy: 1', 'line 2: xyzzy: unknown key'],
    ['__proto__: {polluted: 1}', 'line 2: __proto__: unknown key'],
    ['constructor: 1', 'line 2: constructor: unknown key'],
    ['collect: {audit: {__proto__: 1}}', 'line 2: collect.audit.__proto__: unknown key'],
    ['store: {url: "http://x"}', 'line 2: store.url: is a key only with store.kind: http'],
  ])('is refused by name: %s', async (line, problem) => {
    expect(await problemsOf(`cluster: lab\n${line}\n`)).toEqual([problem]);
  });
});

describe('a value that cannot be', () => {
  const port = 'expected whole number from 0 to 65535';
  it.each([
    ['listen: {port: 65536}', `listen.port: ${port}, not 65536`],
    ['listen: {port: -1}', `listen.port: ${port}, not -1`],
    ['listen: {port: 1.5}', `listen.port: ${port}, not 1.5`],
    ['listen: {port: 1e999}', `listen.port: ${port}, not Infinity`],
    ['listen: {port: .nan}', `listen.port: ${port}, not NaN`],
    ['listen: {port: "9470"}', `listen.port: ${port}, not the text "9470"`],
    ['listen: {port: }', `listen.port: ${port}, not nothing`],
    ['listen: {port: [1]}', `listen.port: ${port}, not a list of one item`],
    ['listen: {port: {a: 1}}', `listen.port: ${port}, not a section`],
    ['listen: 9470', 'listen: expected keys below it, not 9470'],
    ['listen: [1, 2]', 'listen: expected keys below it, not a list of 2 items'],
    [
      'listen: {address: example.org}',
      'listen.address: expected IPv4 or IPv6 address, not the text "example.org"',
    ],
    [
      'collect: {libvirt: {events: yes}}',
      'collect.libvirt.events: expected `true` or `false`, not the text "yes"',
    ],
    [
      'collect: {audit: {path: audit.log}}',
      'collect.audit.path: expected absolute path, or `-`, not the text "audit.log"',
    ],
    [
      'collect: {audit: {path: "/a\\0b"}}',
      'collect.audit.path: expected absolute path, or `-`, not the text "/a\\x00b"',
    ],
    [
      'collect: {audit: {from: start}}',
      'collect.audit.from: expected `end` or `beginning` or `oldest`, not the text "start"',
    ],
    [
      'storage: {shared_paths: /srv}',
      'storage.shared_paths: expected list of absolute paths, at most 256, not the text "/srv"',
    ],
    [
      'storage: {shared_paths: [/srv, srv]}',
      'storage.shared_paths.1: expected absolute path, not the text "srv"',
    ],
    [
      'storage: {shared_paths: [/srv], local_paths: [/srv/]}',
      'storage.local_paths.0: the same path is in storage.shared_paths: it can be one of the two',
    ],
    ['store: {kind: kafka}', 'store.kind: expected `embedded` or `http`, not the text "kafka"'],
    [
      'event_log: {bytes_max: 9007199254740993}',
      'event_log.bytes_max: expected whole number from 67108864 to 17592186044416, not 9007199254740992',
    ],
    [
      'host: "\\u202eevil"',
      'host: expected name of letters, digits, `.`, `_` and `-`, not the text "\\u{202e}evil"',
    ],
  ])('is refused with what was expected: %s', async (line, problem) => {
    expect(await problemsOf(`cluster: lab\n${line}\n`)).toEqual([`line 2: ${problem}`]);
  });

  it('is refused when it is missing', async () => {
    expect(await problemsOf('store: {kind: http}\n')).toEqual([
      'cluster: is missing; expected name of letters, digits, `.`, `_` and `-`',
      'store.url: is missing; expected http or https URL without user, password, query',
    ]);
  });

  it('is shown short', async () => {
    const [problem = ''] = await problemsOf(`cluster: ${'x'.repeat(10_000)}\n`);
    expect(problem.length).toBeLessThan(300);
  });
});

describe('a file', () => {
  it.each([
    ['a: 1\na: 2\n', 'line 2: a: stands twice, first in line 1'],
    ['log: {level: info,\n  level: warn}\n', 'line 2: log.level: stands twice, first in line 1'],
    ['a: &a [1]\nb: *a\n', 'line 2: b: is an alias'],
    ['a: !new x\n', 'line 1: is not YAML as it is read here: Unresolved tag: !new'],
    ['a: 1\n--- \nb: 1\n', 'line 2: holds more than one document'],
    ['just text\n', 'line 1: does not hold sections and keys'],
    ['- a\n', 'line 1: does not hold sections and keys'],
    ['a:\n\tb: 1\n', 'line 2: is not YAML as it is read here: Tabs are not allowed as indentation'],
    ['? [a]\n: 1\n', 'line 1: is not YAML as it is read here: With stringKeys, all keys must be strings'],
    [Buffer.from([0x61, 0x3a, 0xff]), 'is not UTF-8 text'],
    [`cluster: lab\n${'#'.repeat(65_536)}`, 'is larger than 65536 bytes'],
  ])(
    'is refused when it says in an odd way what a configuration says plainly (%#)',
    async (text, problem) => {
      expect((await problemsOf(text)).find((found) => found === problem)).toBe(problem);
    },
  );

  it.each(['[', '{', '- ', '? ', '[{', 'a: ['])('of endless nesting with %j is refused', async (opening) => {
    const text = opening.repeat(Math.floor(65_000 / opening.length));
    expect(await problemsOf(text)).toEqual(['line 1: is nested more than 16 levels deep']);
  });

  it('that multiplies itself by aliases is refused', async () => {
    const bomb = Array.from(
      { length: 12 },
      (_, i) => `a${i}: &a${i} [${Array(9).fill(i ? `*a${i - 1}` : 1)}]`,
    );
    expect((await problemsOf(bomb.join('\n'))).every((problem) => problem.endsWith('is an alias'))).toBe(
      true,
    );
  });

  it('may be empty when the environment says the rest', async () => {
    expect(await problemsOf('', { MIGRATION_AUDIT_CLUSTER: 'lab' })).toEqual([]);
    expect(await problemsOf('---\n# nothing\n', { MIGRATION_AUDIT_CLUSTER: 'lab' })).toEqual([]);
  });

  it('that is none is refused, and a pipe is not waited for', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'd'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    const textOf = async (file: string) => {
      const checked = await checkConfiguration({ file, environment: {} });
      return checked.usable ? null : checked.problems[0].text;
    };
    expect(await textOf(join(directory, 'none'))).toBe('there is no such file');
    expect(await textOf(join(directory, 'd'))).toBe('is not a regular file');
    expect(await textOf(join(directory, 'pipe'))).toBe('is not a regular file');
    expect(await textOf('/dev/zero')).toBe('is not a regular file');
  });

  it('of any bytes is read or refused, never more', async () => {
    let state = 7;
    const random = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    const alphabet = 'acl: \n\t-[]{}&*!|>\'"%@`#?,0~.:cluster log level';
    for (let round = 0; round < 300; round++) {
      const text = Array.from({ length: 60 }, () => alphabet[Math.floor(random() * alphabet.length)]).join(
        '',
      );
      const checked = await check(text);
      if (!checked.usable) expect(checked.problems.length).toBeGreaterThan(0);
    }
  });
});

describe('loading', () => {
  it('fails with MA_CONFIG, names file, line and key, and says how to see the rest', async () => {
    const directory = temporaryDirectory({ 'c.yaml': 'cluster: lab\nlog: {level: loud, fromat: json}\n' });
    const file = join(directory, 'c.yaml');
    const error = await loadConfiguration({ file, environment: {} }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MigrationAuditError);
    expect(error).toMatchObject({ code: 'MA_CONFIG', exit: 2, where: `${file}, line 2: log.level` });
    expect((error as MigrationAuditError).hint).toContain('migration-audit config check');
  });
});

describe('warnings', () => {
  it('are given for listeners that other hosts reach', async () => {
    const warned = async (address: string) =>
      (await load(`cluster: lab\nlisten: {address: "${address}"}\n`)).warnings.length;
    expect(await Promise.all(['127.0.0.1', '127.1.2.3', '::1'].map(warned))).toEqual([0, 0, 0]);
    expect(await Promise.all(['0.0.0.0', '::', '192.0.2.1'].map(warned))).toEqual([1, 1, 1]);
  });

  it('are given for passwords sent in clear', async () => {
    const warned = async (url: string) =>
      (
        await load(`cluster: lab\nstore: {kind: http, url: "${url}"}\n`, {
          MIGRATION_AUDIT_STORE_PASSWORD: 'hunter2',
        })
      ).warnings.length;
    expect(await Promise.all(['http://db:8123', 'http://[2001:db8::1]:8123'].map(warned))).toEqual([1, 1]);
    expect(
      await Promise.all(['https://db', 'http://localhost:8123', 'http://[::1]:8123'].map(warned)),
    ).toEqual([0, 0, 0]);
  });

  it('are given for passwords that everybody may read', async () => {
    const file = join(temporaryDirectory(), 'password');
    writeFileSync(file, 'hunter2\n', { mode: 0o604 });
    const { warnings } = await load(
      `cluster: lab\nstore: {kind: http, url: "https://db", password_file: ${file}}\n`,
    );
    expect(warnings).toEqual([expect.stringContaining(`${file}: every user`)]);
  });
});
