import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('..', import.meta.url).pathname;

/** A role of the built program, seen from outside. It reads `audit.log` and the directory `qemu` of a directory. */
export class BuiltProgram {
  readonly #child: ChildProcess;
  #log = '';

  /** @param nodeOptions as in NODE_OPTIONS */
  constructor(role: 'run' | 'collect', directory: string, nodeOptions = '') {
    const path = join(directory, 'config.yaml');
    writeFileSync(
      path,
      `cluster: bench
host: hostb
data_directory: ${directory}/data
collect:
  audit: {path: ${directory}/audit.log, from: beginning}
  libvirt: {events: false, guest_logs: ${directory}/qemu}
  kernel_losses: {auditctl: null}
storage: {shared_paths: [/var/lib/libvirt/images]}
listen: {port: 0}
`,
    );
    this.#child = spawn(process.execPath, [join(ROOT, 'dist/cli.js'), role, '--config', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: nodeOptions },
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-10_000);
    });
  }

  throwIfEnded(): void {
    if (this.#child.exitCode !== null) throw new Error(`it ended:\n${this.#log}`);
  }

  /** Of all threads, in seconds; the kernel counts in hundredths. */
  cpu_s(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** `VmHWM` is the most that it ever was, `RssAnon` what no file holds. */
  rss_bytes(line: 'VmRSS' | 'VmHWM' | 'RssAnon' = 'VmRSS'): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return 1024 * Number(new RegExp(`^${line}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
  }
}
