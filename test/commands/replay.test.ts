import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { reportSchema } from '../../src/replay/report-schema.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { runCommand } from './run-command.js';

const CAPTURES = new URL('../golden/captures/', import.meta.url).pathname;
const MISMATCH = join(CAPTURES, 's4-mismatch-fail');

describe('replay', () => {
  it('exits with 1 and tells the violation', async () => {
    const { exit, out, err } = await runCommand(['replay', MISMATCH]);
    expect(exit).toBe(1);
    expect(err).toBe('');
    expect(out).toMatch(/^VIOLATION {2}.*hostb.*hosta/s);
    expect(out).toMatch(/RUN NOW\n {2}on hosta:\n {4}chown .*64055:64055 .*vm1\.qcow2/);
  });

  it('exits with 0 when nothing is found', async () => {
    const { exit, out } = await runCommand(['replay', join(CAPTURES, 'ok')]);
    expect(exit).toBe(0);
    expect(out).toMatch(/^NOTHING FOUND/);
  });

  it('exits with 0 on logs without a relevant line', async () => {
    const capture = temporaryDirectory({
      'hosta/audit.log':
        "type=CRED_ACQ msg=audit(1795396298.100:7): pid=1 uid=0 auid=0 ses=1 msg='op=x res=success'\n",
      'hostb/virsh-event.log': '',
    });
    const { exit, out } = await runCommand(['replay', capture]);
    expect(exit).toBe(0);
    expect(out).toContain('there was none to judge');
  });

  it('counts the relabels of files that no record ties to a guest', async () => {
    const chown = (serial: number, path: string) =>
      [
        `type=SYSCALL msg=audit(1795396298.100:${serial}): arch=c000003e syscall=92 success=yes exit=0 a0=1 a1=0 a2=0 a3=0 items=1 ppid=1 pid=9 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 comm="chown" exe="/usr/bin/chown" key="migration_audit"`,
        `type=CWD msg=audit(1795396298.100:${serial}): cwd="/"`,
        `type=PATH msg=audit(1795396298.100:${serial}): item=0 name="${path}" inode=${serial} dev=fd:01 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL`,
        `type=EOE msg=audit(1795396298.100:${serial}): `,
        '',
      ].join('\n');
    const capture = temporaryDirectory({
      'hosta/audit.log': chown(7, '/srv/www/index.html') + chown(8, '/srv/www/style.css'),
    });
    const { exit, out } = await runCommand(['replay', capture]);
    expect(exit).toBe(0);
    expect(out).toContain('2 relabels of files that no record ties to a guest');
  });

  it('prints JSON that fits its schema', async () => {
    const { exit, out } = await runCommand(['replay', MISMATCH, '--format', 'json']);
    const json = JSON.parse(out);
    expect(exit).toBe(1);
    expect(reportSchema.parse(json)).toEqual(json);
    expect(json.findings).toHaveLength(1);
  });

  it('prints the same JSON for a capture given twice', async () => {
    const once = await runCommand(['replay', MISMATCH, '-f', 'json']);
    const twice = await runCommand(['replay', MISMATCH, MISMATCH, '-f', 'json']);
    expect(twice.out).toBe(once.out);
  });

  it('prints one typed object a line as NDJSON', async () => {
    const { out } = await runCommand(['replay', MISMATCH, '-f', 'ndjson']);
    const types = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).type);
    expect(new Set(types)).toEqual(new Set(['host', 'migration', 'relabel', 'finding', 'timeline']));
  });

  it('keeps what it ignored out of JSON and says it on stderr', async () => {
    const { out, err } = await runCommand(['replay', MISMATCH, '-f', 'json']);
    expect(err).toMatch(/^note: ignored \d+ files/);
    expect(out).not.toContain('ignored');
  });

  it('takes files one by one', async () => {
    const files = ['hosta', 'hostb'].flatMap((host) => [
      '--audit',
      `${host}=${MISMATCH}/${host}/audit.log*`,
      '--events',
      `${host}=${MISMATCH}/${host}/virsh-event.log`,
      '--monitor',
      `${host}=${MISMATCH}/${host}/qemu-monitor-event.log`,
      '--facts',
      `${host}=${MISMATCH}/${host}`,
    ]);
    const { exit, out } = await runCommand(['replay', ...files]);
    expect(exit).toBe(1);
    expect(out).toMatch(/^VIOLATION/);
  });

  it('warns about a file it cannot read and goes on', async () => {
    const capture = temporaryDirectory();
    cpSync(MISMATCH, capture, { recursive: true });
    mkdirSync(join(capture, 'hosta', 'audit.log.1'));
    const { exit, out, err } = await runCommand(['replay', capture]);
    expect(exit).toBe(1);
    expect(err).toBe(
      `warning: ${capture}/hosta/audit.log.1: cannot be read: it is a directory; went on without it\n`,
    );
    expect(out).toContain('file-unreadable');
  });

  it('says what it was given instead of a capture', async () => {
    const nothing = await runCommand(['replay', temporaryDirectory()]);
    expect(nothing).toMatchObject({ exit: 3, out: '' });
    expect(nothing.err).toMatch(/^error MA_NOT_A_CAPTURE: .*\n {2}hint: .*\n$/);
    const missing = await runCommand(['replay', '/no/such\x1b[2J']);
    expect(missing.err).toBe(
      'error MA_NOT_FOUND: no such file or directory: /no/such\\x1b[2J\n  hint: check the path\n',
    );
    expect(missing.exit).toBe(3);
  });

  it('reads one host’s directory, or several, and says of one that it is alone', async () => {
    const alone = await runCommand(['replay', join(MISMATCH, 'hostb')]);
    expect(alone.err).toContain('note: only hostb was read');
    const both = await runCommand(['replay', join(MISMATCH, 'hosta'), join(MISMATCH, 'hostb')]);
    expect(both).toMatchObject({ exit: 1, err: '' });
  });

  it('stops at once, with nothing printed, when it is interrupted', async () => {
    const controller = new AbortController();
    controller.abort();
    expect(await runCommand(['replay', MISMATCH], { signal: controller.signal })).toEqual({
      exit: 130,
      out: '',
      err: '',
    });
  });
});

describe('the command line', () => {
  it.each([
    [['replay'], 'neither a capture nor a file was named'],
    [['replay', '--audit', '/var/log/audit.log'], 'the host is missing'],
    [['replay', '--audit', '=x'], 'the host is missing'],
    [['replay', 'x', '--format', 'xml'], 'Allowed choices are text, json, ndjson'],
    [['replay', 'x', '--frmat', 'json'], 'Did you mean --format'],
    [['repaly', 'x'], 'Did you mean replay'],
    [['timeline'], 'missing required argument'],
    [['findings', 'a', 'b'], 'too many arguments'],
  ])('refuses %j with a hint and exit code 2', async (argv, message) => {
    const { exit, out, err } = await runCommand(argv);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toMatch(/^error MA_USAGE: [^\n]*\n {2}hint: [^\n]*\n$/);
    expect(err).toContain(message);
  });

  it('shows its help when it is called without a command', async () => {
    const { exit, out, err } = await runCommand([]);
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toContain('Usage: migration-audit');
  });

  it.each([
    ['--help'],
    ['replay', '--help'],
    ['help', 'replay'],
    ['findings', '-h'],
    ['timeline', '-h'],
    ['demo', '-h'],
  ])('explains itself with %s %s', async (...argv) => {
    const { exit, out, err } = await runCommand(argv.filter((arg) => arg !== undefined));
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    expect(out).toContain('Usage: migration-audit');
  });

  it('tells its version', async () => {
    expect((await runCommand(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('shows a stack trace only to whoever asks for it', async () => {
    expect((await runCommand(['replay', '/none'])).err).not.toContain('    at ');
    expect((await runCommand(['replay', '/none'], { env: { MIGRATION_AUDIT_DEBUG: '1' } })).err).toContain(
      '    at ',
    );
  });
});
