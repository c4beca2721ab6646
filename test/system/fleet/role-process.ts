import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../../architecture/source-tree.js';

/** What takes longer will not come. */
const END_MS_MAX = 30_000; // of a service manager: TimeoutStopSec in deploy/systemd
const LOG_SHOWN_MAX = 4_000;

const PROGRAM = join(ROOT, 'dist/cli.js');

/** What an administrator gets to see of a command. */
export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs a command of the built program to its end. */
export async function runCommand(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: environment(env) });
  const ended: Ended = { code: null, out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.err += text;
  });
  [ended.code] = await once(child, 'close');
  return ended;
}

/** A role of the built program, running as a process of its own. */
export class RoleProcess {
  readonly name: string;
  log = '';
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;

  constructor(name: string, args: readonly string[], env: Record<string, string> = {}) {
    this.name = name;
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: environment(env),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    this.#child = child;
    this.#exit = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** that the group gave it, as it last said */
  get partitions(): number[] {
    const said = this.messages().filter((message) => Array.isArray(message['partitions']));
    return (said.at(-1)?.['partitions'] ?? []) as number[];
  }

  /** Of its log, which is a JSON object a line. */
  messages(): Record<string, unknown>[] {
    const whole = this.log.slice(0, this.log.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Returns its exit code; null when the signal ended it. @throws Error with its log when it does not end */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.signal(signal);
    const enough = new AbortController();
    const late = sleep(END_MS_MAX, 'late', { signal: enough.signal }).catch(() => 'late');
    const code = await Promise.race([this.#exit, late]);
    enough.abort();
    if (typeof code === 'string')
      throw new Error(`${this.name} does not end on ${signal}:\n${this.log.slice(-LOG_SHOWN_MAX)}`);
    return code;
  }
}

/** Nothing of what is set here configures it. */
function environment(env: Record<string, string>): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', ...env };
}
