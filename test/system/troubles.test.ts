import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import { eventsIn, idsOfReplay } from '../collect/collecting.js';
import { STAYS, StandInVirsh } from '../collect/stand-in.js';
import { ROOT, RunningProgram } from './running-program.js';

/**
 * What a host does to a collector that runs unattended: each time the built program says what is in its way, keeps what
 * it has, and goes on by itself when it is mended.
 */

/** Root may read everything, so what is forbidden is seen by another user only: nobody. */
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
const canMount = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0;
if (!isRoot) console.warn('SKIPPED: full, read-only and forbidden files of the program. They need root.');

/** Records of a host, none of which is part of another's event. */
const CAPTURE = join(ROOT, 'test/golden/captures/bounce-restart/hostb');
const LINES = readFileSync(join(CAPTURE, 'audit.log'), 'latin1');
const HALF = LINES.indexOf('type=SYSCALL', LINES.length / 2);
const [FIRST, SECOND] = [LINES.slice(0, HALF), LINES.slice(HALF)];

interface Options {
  libvirt?: string;
  /** instead of a directory of its own */
  data?: string;
  user?: number;
}

/** A host of its own: an audit log, a data directory and a configuration. */
function host({ libvirt = '{events: false, guest_logs: null}', data: elsewhere, user }: Options = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'migration-audit-trouble-'));
  chmodSync(directory, 0o755);
  const data = elsewhere ?? join(directory, 'data');
  if (elsewhere === undefined) mkdirSync(data);
  if (user !== undefined) chownSync(data, user, user);
  mkdirSync(join(directory, 'log'));
  const log = join(directory, 'log/audit.log');
  const file = join(directory, 'config.yaml');
  writeFileSync(
    file,
    `cluster: lab
host: hosta
data_directory: ${data}
collect:
  audit: {path: ${log}, from: oldest}
  libvirt: ${libvirt}
  kernel_losses: {auditctl: null}
  heartbeat: {every_s: 1}
listen: {port: 0}
`,
  );
  const program = new RunningProgram((...args) => {
    const command = [process.execPath, join(ROOT, 'dist/cli.js'), ...args, '--config', file];
    const as = ['setpriv', '--reuid', `${user}`, '--regid', `${user}`, '--clear-groups', '--'];
    const [name = '', ...rest] = user === undefined ? command : [...as, ...command];
    return spawn(name, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  });
  onTestFinished(async () => {
    await program.stop('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  /** Ends it as a service manager would; then its log has to hold every event of these files, once. */
  const holdsAll = async (...files: string[]) => {
    expect(await program.stop('SIGTERM')).toBe(0);
    const spool = openLocalLog({ directory: join(data, 'event-log'), bytes_max: 1 << 30, retain_us: 1e15 });
    const events = (await eventsIn(spool)).filter(({ stream }) => stream === 'audit');
    await spool.close();
    const wanted = (await Promise.all(files.map((each) => idsOfReplay(each, 'audit')))).flat();
    expect(wanted.length).toBeGreaterThan(50);
    expect(events.map(({ id }) => id).sort()).toEqual(wanted.sort());
  };
  return { program, directory, data, log, holdsAll };
}

/** A file system of its own. */
function disk(options: string): { path: string; remount(options: string): void } {
  const path = mkdtempSync(join(tmpdir(), 'migration-audit-disk-'));
  const mount = (how: string) => {
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', how, 'tmpfs', path], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
  };
  mount(options);
  onTestFinished(() => {
    spawnSync('umount', ['--lazy', path]);
    rmSync(path, { recursive: true, force: true });
  });
  return { path, remount: (how) => mount(`remount,${how}`) };
}

describe.skipIf(!isRoot)('the program without the right to read the audit log', () => {
  it('says so, reads it when it may, and again after a rotation', async () => {
    const { program, log, holdsAll } = host({ user: NOBODY });
    writeFileSync(log, FIRST, { mode: 0o600, encoding: 'latin1' });
    await program.start('collect');
    await program.notReady('audit', /permission denied/);
    chmodSync(log, 0o644);
    await program.ready();

    renameSync(log, `${log}.1`);
    writeFileSync(log, SECOND, { mode: 0o600, encoding: 'latin1' });
    await program.notReady('audit', /permission denied/);
    chmodSync(log, 0o644);
    await program.ready();
    await program.kept(FIRST.length + SECOND.length);
    await holdsAll(`${log}.1`, log);
  }, 120_000);
});

describe.skipIf(!canMount)('the program on a full disk', () => {
  it('says so, keeps what it has, and goes on with everything when there is room', async () => {
    const { path } = disk('size=96m');
    const { program, data, log, holdsAll } = host({ data: path });
    writeFileSync(log, FIRST, 'latin1');
    await program.start('run');
    await program.ready();
    await program.caughtUp();

    const ballast = join(data, 'ballast');
    fill(ballast);
    appendFileSync(log, SECOND, 'latin1');
    await program.notReady('event-log', /full|cannot be written/);
    expect((await program.command('findings')).code).toBe(0);
    rmSync(ballast);
    await program.ready();
    await program.caughtUp();
    await holdsAll(log);
  }, 240_000);
});

describe.skipIf(!canMount)('the program with a data directory that it cannot write to', () => {
  it('waits until it can, when that is so from the start', async () => {
    const { path, remount } = disk('size=96m,ro');
    const { program, log, holdsAll } = host({ data: path });
    writeFileSync(log, LINES, 'latin1');
    await program.start('collect');
    await program.notReady('event-log-open', /[Rr]ead-only|EROFS/);
    remount('rw');
    await program.ready();
    await program.kept(LINES.length);
    await holdsAll(log);
  }, 120_000);

  it('waits until it can, when that comes later', async ({ skip }) => {
    const { program, data, log, holdsAll } = host();
    writeFileSync(log, FIRST, 'latin1');
    await program.start('collect');
    await program.ready();
    await program.kept(FIRST.length);
    // LMDB gives an environment up of which the last page of a commit could not be written: see event-log.md
    await program.resting();

    const file = join(data, 'event-log/data.mdb');
    // stands in for a file system that was made read-only under an open file, as ext4 does after an error of the disk
    const lock = (how: string) => spawnSync('chattr', [how, file], { encoding: 'utf8' });
    const locked = lock('+i');
    onTestFinished(() => void lock('-i'));
    skip(locked.status !== 0, `the file system of ${tmpdir()} knows no immutable files: ${locked.stderr}`);
    appendFileSync(log, SECOND, 'latin1');
    await program.notReady('event-log', /cannot be written/);
    lock('-i');
    await program.ready();
    await program.kept(LINES.length);
    await holdsAll(log);
  }, 120_000);
});

describe('the program without virsh', () => {
  it('says so, and follows libvirt as soon as it is installed', async () => {
    const virsh = new StandInVirsh().run(1, STAYS).answer('list', '');
    for (const [name, file] of [
      ['version', 'virsh-version'],
      ['capabilities', 'capabilities.xml'],
    ] as const)
      virsh.answer(name, readFileSync(join(CAPTURE, file)));
    const away = `${virsh.path}.away`;
    renameSync(virsh.path, away);
    const { program, log, holdsAll } = host({
      libvirt: `{virsh: ${virsh.path}, guest_logs: null}`,
    });
    writeFileSync(log, LINES, 'latin1');
    await program.start('collect');
    await program.notReady('virsh-event', /no such program/);
    renameSync(away, virsh.path);
    await program.ready();
    await program.kept(LINES.length);
    await holdsAll(log);
  }, 120_000);
});

/** Takes all the room that is left. */
function fill(path: string): void {
  const { status } = spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=64k'], { stdio: 'ignore' });
  if (status === 0 || statSync(path).size === 0) throw new Error('the disk did not become full');
}
