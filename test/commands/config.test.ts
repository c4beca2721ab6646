import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { runCommand } from './run-command.js';

function fileWith(text: string): string {
  return join(temporaryDirectory({ 'c.yaml': text }), 'c.yaml');
}

const WRONG = 'cluster: lab\nlisten: {prot: 1}\nlog: {level: "\\u202e"}\n';

describe('config check', () => {
  it('says that a configuration can be used, and from where it is', async () => {
    const file = fileWith('cluster: lab\nlog: {level: warn}\n');
    const env = { MIGRATION_AUDIT_LOG_LEVEL: 'info' };
    expect(await runCommand(['config', 'check', '--config', file], { env })).toEqual({
      exit: 0,
      out: `The configuration can be used: ${file} (1 keys), environment (1 keys).\n`,
      err: '',
    });
  });

  it('says everything that is wrong, and exits with 2', async () => {
    const file = fileWith(WRONG);
    const { exit, out, err } = await runCommand(['config', 'check', '--config', file]);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err.match(/^error MA_CONFIG: /gm)).toHaveLength(2);
    expect(err).toContain(`did you mean listen.port?: ${file}, line 2: listen.prot\n`);
    expect(err).toContain('not the text "\\u{202e}"');
    expect(err.match(/^ {2}hint: /gm)).toHaveLength(2);
  });

  it('says the same as JSON', async () => {
    const file = fileWith(WRONG);
    const { exit, out, err } = await runCommand(['config', 'check', '-c', file, '-f', 'json']);
    expect({ exit, err }).toEqual({ exit: 2, err: '' });
    expect(out).not.toContain('\u202e');
    expect(JSON.parse(out)).toMatchObject({
      usable: false,
      file,
      problems: [
        { key: 'listen.prot', line: 2, text: expect.stringContaining('listen.port') },
        { where: `${file}, line 3: log.level`, key: 'log.level', line: 3, variable: null, file },
      ],
      warnings: [],
    });
  });

  it('says the same as one object a line', async () => {
    const file = fileWith('cluster: lab\nlisten: {address: "::"}\n');
    const { exit, out } = await runCommand(['config', 'check', '-c', file, '-f', 'ndjson']);
    expect(exit).toBe(0);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual(['warning', 'configuration']);
  });

  it('warns of what can be used and should be looked at', async () => {
    const { exit, err } = await runCommand([
      'config',
      'check',
      '-c',
      fileWith('cluster: lab\nlisten: {address: "::"}\n'),
    ]);
    expect(exit).toBe(0);
    expect(err).toMatch(/^warning: listen\.address: /);
  });

  it('refuses a file that is not there', async () => {
    const { exit, err } = await runCommand(['config', 'check', '-c', '/nowhere/c.yaml']);
    expect(exit).toBe(2);
    expect(err).toContain('there is no such file: /nowhere/c.yaml\n');
  });
});

describe('config show', () => {
  const directory = () => {
    const path = temporaryDirectory();
    writeFileSync(join(path, 'password'), 'hunter2\n', { mode: 0o600 });
    const text = `cluster: lab\nstore:\n  kind: http\n  url: https://db\n  password_file: ${path}/password\n`;
    writeFileSync(join(path, 'c.yaml'), text);
    return path;
  };

  it('prints each key with its value and origin, and no secret', async () => {
    const env = { MIGRATION_AUDIT_STORE_USER: 'auditor' };
    const { exit, out, err } = await runCommand(['config', 'show', '-c', join(directory(), 'c.yaml')], {
      env,
    });
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    expect(out).toMatch(/^cluster +"lab" +line 1$/m);
    expect(out).toMatch(/^store\.user +"auditor" +MIGRATION_AUDIT_STORE_USER$/m);
    expect(out).toMatch(/^store\.password +"\[secret\]" +line 5$/m);
    expect(out).toMatch(/^log\.level +"info" +default$/m);
    expect(out).not.toContain('hunter2');
  });

  it('prints the same as JSON', async () => {
    const file = join(directory(), 'c.yaml');
    const { out } = await runCommand(['config', 'show', '-c', file, '-f', 'json']);
    const { keys, file: named } = JSON.parse(out);
    expect(named).toBe(file);
    expect(keys).toContainEqual({
      key: 'store.password',
      value: '[secret]',
      origin: 'file',
      line: 5,
      variable: null,
    });
    const { out: lines } = await runCommand(['config', 'show', '-c', file, '-f', 'ndjson']);
    const perLine = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(perLine).toEqual(keys.map((key: object) => ({ type: 'key', ...key })));
  });

  it('fails as a role would when the configuration cannot be used', async () => {
    const { exit, out, err } = await runCommand(['config', 'show', '-c', fileWith(WRONG)]);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toContain('MA_CONFIG');
    expect(err).toContain('1 more of this kind');
  });
});

describe('config', () => {
  it('reports a wrong option of its own commands in the form of all errors', async () => {
    const { exit, out, err } = await runCommand(['config', 'check', '--confg', 'x']);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toMatch(/^error MA_USAGE: .*--config/);
  });
});
