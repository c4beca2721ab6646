import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const KEEPER = fileURLToPath(new URL('keeper.sh', import.meta.url));

/**
 * Programs run under the machine's names and the C locale, whatever the caller's environment is. Debian's own
 * directories only: a shim in front of a program would be one more process, with a pid that is not its own.
 */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** Nothing that is run takes so long; it ends what would hang. */
const LIMIT_MS = 60_000;

/** A mount namespace with empty directories for libvirt and auditd, and all that runs in it. See keeper.sh. */
export class Enclosure {
  private readonly keeper: ChildProcess;

  private constructor(keeper: ChildProcess) {
    this.keeper = keeper;
  }

  /** @throws Error saying why when the machine is no place for it */
  static async open(): Promise<Enclosure> {
    const directory = mkdtempSync(join(tmpdir(), 'migration-audit-hypervisor-'));
    // QEMU runs as another user and has to reach its images
    chmodSync(directory, 0o711);
    // A session of its own, so that Ctrl-C does not end it before it has tidied up.
    const keeper = spawn('unshare', ['--mount', '--propagation', 'private', KEEPER, directory], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: keeper.stdout })) {
      if (line === 'ready') return new Enclosure(keeper);
      throw new Error(line);
    }
    throw new Error('the keeper of the mount namespace ended');
  }

  /** A path inside, as this process can open it. */
  path(inside: string): string {
    return `/proc/${this.keeper.pid}/root${inside}`;
  }

  /** Starts a program inside; the process has the pid of the program. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const namespace = `--mount=/proc/${this.keeper.pid}/ns/mnt`;
    return spawn('nsenter', [namespace, '--', program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: { ...ENVIRONMENT, ...options.env },
    });
  }

  /** Runs a program inside to its end. @returns what it printed @throws Error with its stderr when it fails */
  async run(program: string, ...args: string[]): Promise<string> {
    const child = this.spawn(program, args, { timeout: LIMIT_MS, killSignal: 'SIGKILL' });
    const [out, err] = await Promise.all([textOf(child.stdout), textOf(child.stderr), ended(child)]);
    if (child.exitCode !== 0)
      throw new Error(`${program} ${args.join(' ')}: ${err.trim() || (child.exitCode ?? 'took too long')}`);
    return out;
  }

  /** Ends all that runs inside and puts the machine back. @throws Error when that did not succeed */
  async close(): Promise<void> {
    this.keeper.stdin?.end();
    await ended(this.keeper);
    if (this.keeper.exitCode !== 0) throw new Error('the hypervisor left the machine changed');
  }
}

/** @throws Error when it could not be started, or does not end */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await once(child, 'exit', { signal: AbortSignal.timeout(2 * LIMIT_MS) });
}

export async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += chunk.toString();
  return text;
}
