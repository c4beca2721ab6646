import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { byteTextFrom, printable } from '../../domain/byte-text.js';

/**
 * Programs that a collector asks: started directly, never through a shell, in the C locale, with an empty standard
 * input (virsh waits on an open one) and nothing of this process's environment, which may hold secrets.
 */
const ENVIRONMENT = { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

const STDERR_KEPT_BYTES = 4096;
const SAID_CHARACTERS_MAX = 300;
/** A program that does not end on SIGTERM within this time is killed. */
const TERM_GRACE_MS = 2_000;
/** Another process can hold the pipe open after the program has ended. */
const PIPE_GRACE_MS = 1_000;

/** How a program ended. */
export interface Ending {
  /** null when a signal ended it, or when it never ran */
  exit: number | null;
  /** the end of what it wrote on stderr, on one line, safe to print */
  said: string;
  /** why it did not end well, in words; null when it did */
  failure: string | null;
}

export class Program {
  /** never rejects */
  readonly ended: Promise<Ending>;
  private readonly name: string;
  private readonly child: ChildProcess | null;
  private readonly output: Readable | null;
  private stderr: Buffer = Buffer.alloc(0);
  private outputEnded = false;
  private hasEnded = false;

  /** @param path absolute */
  constructor(path: string, args: readonly string[]) {
    this.name = path;
    let child: ChildProcess | null = null;
    let refused: unknown = null;
    try {
      child = spawn(path, args, { cwd: '/', env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
    } catch (error) {
      // too many or too long arguments, or no memory for another process
      refused = error;
    }
    this.child = child;
    this.output = child?.stdout ?? null;
    // When a program ends, Node lets what it printed flow away unless somebody waits for it: so somebody always does.
    this.output?.on('readable', waiting);
    this.output?.once('end', () => {
      this.outputEnded = true;
    });
    // what cannot be read any more is over; `ended` tells how
    this.output?.on('error', () => {
      this.outputEnded = true;
    });
    child?.stderr?.on('data', (chunk: Buffer) => this.keepStderr(chunk));
    child?.stderr?.on('error', () => {});
    this.ended = child === null ? Promise.resolve(this.notStarted(refused)) : this.ending(child);
    void this.ended.then(() => {
      this.hasEnded = true;
    });
  }

  /**
   * The next piece of output: `quiet` when none came within the time and none is in the pipe, null after the last. Until it
   * is asked for, output stays in the pipe, and the program waits when that is full.
   */
  async next(wait_ms: number, signal?: AbortSignal): Promise<Buffer | 'quiet' | null> {
    const { output } = this;
    if (output === null) return null;
    const atOnce = output.read() as Buffer | null;
    if (atOnce !== null) return atOnce;
    if (this.outputEnded || output.destroyed) return null;
    if (signal?.aborted) return 'quiet';
    await somethingHappens(output, wait_ms, signal);
    // Timers come before input in a turn of the event loop: only after the next input is the pipe known to be empty.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const chunk = output.read() as Buffer | null;
    if (chunk !== null) return chunk;
    return this.outputEnded || output.destroyed ? null : 'quiet';
  }

  /** SIGTERM, then SIGKILL; resolves when it is gone. */
  async stop(): Promise<Ending> {
    if (!this.hasEnded) {
      this.child?.kill('SIGTERM');
      const killer = setTimeout(() => this.child?.kill('SIGKILL'), TERM_GRACE_MS);
      // a full pipe would keep it from ending
      this.output?.removeListener('readable', waiting).resume();
      await this.ended;
      clearTimeout(killer);
    }
    return this.ended;
  }

  /** After its last output: a program can close that and run on, which it may for so long. */
  async finish(grace_ms: number): Promise<Ending> {
    const timer = setTimeout(() => void this.stop(), grace_ms);
    const ending = await this.ended;
    clearTimeout(timer);
    return ending;
  }

  private async ending(child: ChildProcess): Promise<Ending> {
    const [exit, signal] = await new Promise<[number | null, string | null | Error]>((resolve) => {
      child.once('error', (error) => {
        // also told when a signal could not be sent, to a program that runs on
        if (child.pid === undefined) resolve([null, error]);
      });
      child.once('exit', (...how) => {
        const closed = setTimeout(() => {
          child.stdout?.destroy();
          child.stderr?.destroy();
        }, PIPE_GRACE_MS);
        child.once('close', () => clearTimeout(closed));
        void stderrEnds(child).then(() => resolve(how));
      });
    });
    if (signal instanceof Error) return this.notStarted(signal);
    const said = this.said();
    return { exit, said, failure: exit === 0 ? null : failureInWords(exit, signal, said) };
  }

  private notStarted(error: unknown): Ending {
    this.outputEnded = true;
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? 'no such program' : code === 'EACCES' ? 'not permitted to run it' : message;
    return { exit: null, said: '', failure: `${this.name}: ${why}` };
  }

  private keepStderr(chunk: Buffer): void {
    const all = Buffer.concat([this.stderr, chunk]);
    this.stderr = Buffer.from(all.subarray(Math.max(0, all.length - STDERR_KEPT_BYTES)));
  }

  private said(): string {
    const lines = byteTextFrom(this.stderr)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    return printable(lines.join(' | '), SAID_CHARACTERS_MAX);
  }
}

function failureInWords(exit: number | null, signal: string | null, said: string): string {
  const how = exit === null ? `ended by ${signal}` : `ended with exit code ${exit}`;
  return said === '' ? how : said;
}

async function stderrEnds({ stderr }: ChildProcess): Promise<void> {
  if (stderr === null || stderr.destroyed || stderr.readableEnded) return;
  await once(stderr, 'close').catch(() => {});
}

function somethingHappens(output: Readable, wait_ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      for (const event of OUTPUT_EVENTS) output.removeListener(event, finish);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, wait_ms);
    for (const event of OUTPUT_EVENTS) output.on(event, finish);
    signal?.addEventListener('abort', finish);
  });
}

function waiting(): void {}

const OUTPUT_EVENTS = ['readable', 'end', 'close', 'error'] as const;
