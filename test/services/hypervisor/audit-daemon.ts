import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Enclosure, ended } from './enclosure.js';
import { until } from './until.js';

/** The calls that the shipped rules watch. */
const CALLS =
  'chown,fchown,lchown,fchownat,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr';
const RULE_KEY = 'vmimg';
const LOG = '/var/log/audit/audit.log';

export interface AuditOptions {
  format: 'RAW' | 'ENRICHED';
  /** files that are kept; a small number makes the file system give their inodes to new ones */
  logs: number;
}

/** Everything that was ever written to the log, by a plugin of auditd, which is told the same. */
export const KEPT_LOG = '/var/log/libvirt/kept/audit.log';

/** auditd with a configuration of its own, whose log is cut at the smallest size that it knows: 1 MB. */
export class AuditDaemon {
  private readonly enclosure: Enclosure;
  private process: ChildProcess | null = null;

  constructor(enclosure: Enclosure, { format, logs }: AuditOptions) {
    this.enclosure = enclosure;
    mkdirSync(enclosure.path('/etc/audit/plugins.d'));
    const configuration = {
      log_file: LOG,
      log_group: 'root',
      log_format: format,
      flush: 'INCREMENTAL_ASYNC',
      freq: 50,
      max_log_file: 1,
      num_logs: logs,
      max_log_file_action: 'ROTATE',
      space_left: 75,
      space_left_action: 'IGNORE',
      admin_space_left: 50,
      admin_space_left_action: 'IGNORE',
      disk_full_action: 'IGNORE',
      disk_error_action: 'IGNORE',
      plugin_dir: '/etc/audit/plugins.d',
      q_depth: 99_999,
    };
    this.configure('auditd.conf', configuration);
    mkdirSync(enclosure.path(dirname(KEPT_LOG)));
    this.configure('plugins.d/keep.conf', {
      active: 'yes',
      direction: 'out',
      path: '/usr/bin/tee',
      args: `-a ${KEPT_LOG}`,
      type: 'always',
      format: 'string',
    });
  }

  private configure(file: string, configuration: Record<string, string | number>): void {
    const path = this.enclosure.path(`/etc/audit/${file}`);
    const text = Object.entries(configuration).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(path, text.join(''));
    chmodSync(path, 0o640);
  }

  async start(): Promise<void> {
    const daemon = this.enclosure.spawn('auditd', ['-n'], { stdio: 'ignore' });
    this.process = daemon;
    await until('auditd is the one that the kernel sends to', async () => {
      if (daemon.exitCode !== null) throw new Error(`auditd ended with ${daemon.exitCode}`);
      return (await this.enclosure.run('auditctl', '-s')).includes(`pid ${daemon.pid}\n`);
    });
  }

  /** Watches the directories; file systems that are mounted below them later are not watched. */
  async watch(...directories: string[]): Promise<void> {
    await this.enclosure.run('auditctl', '-b', '8192');
    await this.enclosure.run('auditctl', '-e', '1');
    for (const directory of directories)
      for (const arch of ['b64', 'b32'])
        await this.enclosure.run(
          'auditctl', '-a', 'always,exit', '-F', `arch=${arch}`, '-S', CALLS, '-F', `dir=${directory}`, '-k', RULE_KEY,
        ); // biome-ignore format: a rule is read in one line
  }

  /** Writes a text into the log, among the records of what is done before and after it. */
  async mark(text: string): Promise<void> {
    await this.enclosure.run('auditctl', '-m', text);
  }

  /** Everything that was done so far is in the log when this returns. */
  async settle(): Promise<void> {
    const mark = `settled-${process.hrtime.bigint()}`;
    await this.mark(mark);
    await until('auditd has written all', () => this.log(0).includes(mark) || this.log(1).includes(mark));
  }

  /** Makes auditd begin a new file. */
  async rotate(): Promise<void> {
    const inode = this.inode();
    this.process?.kill('SIGUSR1');
    await until('auditd has begun a new file', () => ![null, inode].includes(this.inode()));
  }

  async stop(): Promise<void> {
    this.process?.kill('SIGTERM');
    if (this.process !== null) await ended(this.process);
  }

  private inode(): number | null {
    return statSync(this.enclosure.path(LOG), { throwIfNoEntry: false })?.ino ?? null;
  }

  /** Text of audit.log, or of the file that was it `rotations` before; empty in the moment when there is none. */
  private log(rotations: number): string {
    const suffix = rotations === 0 ? '' : `.${rotations}`;
    try {
      return readFileSync(this.enclosure.path(`${LOG}${suffix}`), 'latin1');
    } catch {
      return '';
    }
  }
}
