import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/config/secret.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { check, load, problemsOf } from './loading.js';

const HTTP = 'cluster: lab\nstore:\n  kind: http\n  url: https://db\n';

describe('a secret', () => {
  it('shows itself to nobody who did not ask for it', () => {
    const secret = new Secret('hunter2');
    const shown = [
      `${secret}`,
      JSON.stringify({ secret }),
      inspect({ deep: { secret } }, { showHidden: true, depth: 9 }),
      format('%s %o %j', secret, secret, secret),
      JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
    ].join('\n');
    expect(shown).not.toContain('hunter2');
    expect(shown).toContain('[secret]');
    expect(secret.reveal()).toBe('hunter2');
  });

  it('can be compared', () => {
    expect(new Secret('a').equals(new Secret('a'))).toBe(true);
    expect(new Secret('a').equals(new Secret('b'))).toBe(false);
    expect(new Secret('a').equals(new Secret('aa'))).toBe(false);
  });
});

describe('the password of the store', () => {
  it.each(['hunter2', 'hunter2\n', 'hunter2\r\n'])('is read from its file: %j', async (content) => {
    expect(await passwordOf(await withFile(content))).toBe('hunter2');
  });

  it('is taken from the environment first', async () => {
    const { configuration } = await load(`${HTTP}  password_file: /nowhere\n`, {
      MIGRATION_AUDIT_STORE_PASSWORD: 'hunter2',
    });
    expect(await passwordOf(configuration)).toBe('hunter2');
  });

  it('comes from where its file was named', async () => {
    const { origins } = await load(`${HTTP}  password_file: ${fileWith('hunter2')}\n`);
    expect(origins.get('store.password')).toEqual({ from: 'file', line: 5 });
  });

  it.each([
    ['', 'is empty'],
    ['\n', 'is empty'],
    ['a\nb\n', 'holds more than one line of text'],
    [Buffer.from([0xff]), 'holds more than one line of text'],
    ['x'.repeat(5000), 'is larger than 4096 bytes'],
  ])('is refused from a file that holds no password: %j', async (content, problem) => {
    const file = fileWith(content);
    expect(await problemsOf(`${HTTP}  password_file: ${file}\n`)).toEqual([
      `line 5: store.password_file: ${file} ${problem}`,
    ]);
  });

  it('is refused from a file that is not there', async () => {
    expect(await problemsOf(`${HTTP}  password_file: /nowhere/at-all\n`)).toEqual([
      'line 5: store.password_file: /nowhere/at-all there is no such file',
    ]);
  });

  it.each([
    [`${HTTP}  password: hunter2\n`, {}],
    [`${HTTP}  pasword: hunter2\n`, {}],
    ['cluster: lab\npassword: hunter2\n', {}],
    ['cluster: lab\nstore: {kind: http, url: "http://u:hunter2@db"}\n', {}],
    ['cluster: lab\nstore: {kind: http, url: "http://u:hun/ter2@x@hunter2@db"}\n', {}],
    ['cluster: lab\nstore: {kind: http, url: "ftp://u:hunter2@db/"}\n', {}],
    [HTTP, { MIGRATION_AUDIT_STORE_PASSWRD: 'hunter2' }],
    ['cluster: lab\n', { MIGRATION_AUDIT_STORE_PASSWORD: 'hunter2' }],
  ] as [string, Record<string, string>][])(
    'is not repeated where it is refused: %j',
    async (text, environment) => {
      const checked = await check(text, environment);
      expect(checked.usable).toBe(false);
      expect(JSON.stringify(checked)).not.toMatch(/hun|ter2/);
    },
  );
});

type Loaded = Awaited<ReturnType<typeof load>>['configuration'];

async function withFile(content: string): Promise<Loaded> {
  return (await load(`${HTTP}  password_file: ${fileWith(content)}\n`)).configuration;
}

async function passwordOf({ store }: Loaded): Promise<string | undefined> {
  return store.kind === 'http' ? store.password?.reveal() : undefined;
}

function fileWith(content: string | Buffer): string {
  const file = join(temporaryDirectory(), 'password');
  writeFileSync(file, content, { mode: 0o600 });
  return file;
}
