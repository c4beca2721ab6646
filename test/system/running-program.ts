import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ended, textOf } from '../services/hypervisor/enclosure.js';
import { until } from '../services/hypervisor/until.js';

export const ROOT = new URL('../../', import.meta.url).pathname;
const LOG_LINES_KEPT = 60;

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Starts `node dist/cli.js ARGUMENTS --config FILE`, wherever and as whoever it is to run. */
export type SpawnProgram = (...args: string[]) => ChildProcess;

/** The built program, as somebody has it who has a configuration file, a shell and its pages. */
export class RunningProgram {
  private readonly spawn: SpawnProgram;
  private process: ChildProcess | null = null;
  /** of its pages; null until it says which */
  private port: number | null = null;
  private log: string[] = [];
  private stopped_ms: number | null = null;
  /** between an end of the role and the next start of it, ms since the epoch */
  readonly away: { from_ms: number; to_ms: number }[] = [];

  constructor(spawn: SpawnProgram) {
    this.spawn = spawn;
  }

  /** Starts a role. Resolves when it answers on its pages. */
  async start(role: 'run' | 'collect'): Promise<void> {
    this.port = null;
    this.log = [];
    if (this.stopped_ms !== null) this.away.push({ from_ms: this.stopped_ms, to_ms: Date.now() });
    const child = this.spawn(role);
    this.process = child;
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => this.told(line));
    await this.until('the program answers', async () => (await this.page('healthz')) !== null);
  }

  async ready(): Promise<void> {
    await this.until('the program is ready', async () => (await this.page('readyz'))?.ok === true);
  }

  /** Resolves when it is not ready because of the condition, for a reason such as this. */
  async notReady(condition: string, reason: RegExp): Promise<void> {
    await this.until(`${condition} says ${reason}`, async () =>
      reason.test((await this.reasons()).get(condition) ?? ''),
    );
  }

  /** Resolves when it is ready, and vouches for everything that has happened until now. */
  async caughtUp(): Promise<void> {
    const now_s = Date.now() / 1000;
    await this.until('the program has seen all', async () => {
      const watermark_s = await this.metric('watermark_timestamp_seconds');
      return (watermark_s ?? 0) > now_s && (await this.page('readyz'))?.ok === true;
    });
  }

  /** Resolves when so many bytes were read of sources, and what they gave is in the event log. */
  async kept(bytes: number): Promise<void> {
    await this.until(`${bytes} bytes are read and kept`, async () => {
      const [read, given, added, again] = await Promise.all(
        ['read_bytes_total', 'events_total', 'append_events_total', 'duplicate_events_total'].map((name) =>
          this.metric(name),
        ),
      );
      return (read ?? 0) >= bytes && (added ?? 0) + (again ?? 0) >= (given ?? 0);
    });
  }

  /** The sum over all its labels; null when it is not shown. */
  async metric(name: string): Promise<number | null> {
    const text = await (await this.page('metrics'))?.text();
    const values = text?.matchAll(new RegExp(`^migration_audit_${name}(?:\\{.*\\})? (\\S+)$`, 'gm')) ?? [];
    const numbers = [...values].map(([, value]) => Number(value));
    return numbers.length === 0 ? null : numbers.reduce((sum, number) => sum + number, 0);
  }

  /** Returns the exit code; null when it was killed, or never started. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    this.process?.kill(signal);
    this.stopped_ms = Date.now();
    if (this.process !== null) await ended(this.process);
    return this.process?.exitCode ?? null;
  }

  /** Runs another command of the program, with the same configuration, to its end. */
  async command(...args: string[]): Promise<Ended> {
    const child = this.spawn(...args);
    const [out, err] = await Promise.all([textOf(child.stdout), textOf(child.stderr), ended(child)]);
    return { code: child.exitCode, out, err };
  }

  /** Why it is not ready, by condition. */
  private async reasons(): Promise<Map<string, string>> {
    const page = await this.page('readyz');
    if (page === null) return new Map();
    const { conditions } = (await page.json()) as { conditions: { name: string; reason: string | null }[] };
    return new Map(conditions.flatMap(({ name, reason }) => (reason === null ? [] : [[name, reason]])));
  }

  /** @throws Error with what the program said last when it does not come to that, or ends */
  /** Resolves when it has appended nothing for half a second. */
  async resting(): Promise<void> {
    let last: number | null = null;
    let since_ms = 0;
    await this.until('it rests', async () => {
      const added = await this.metric('append_events_total');
      if (added !== last) since_ms = performance.now();
      last = added;
      return performance.now() - since_ms > 500;
    });
  }

  private async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const child = this.process;
    const said = () => `the last lines of its log:\n${this.log.join('\n')}`;
    try {
      await until(what, () => {
        if (child?.exitCode === null && child.signalCode === null) return condition();
        throw new Error(`the program ended with ${child?.exitCode ?? child?.signalCode}`);
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${said()}`);
    }
  }

  private told(line: string): void {
    this.log = [...this.log, line].slice(-LOG_LINES_KEPT);
    const [, port] = /"port":(\d+),"msg":"started"/.exec(line) ?? [];
    if (port !== undefined) this.port = Number(port);
  }

  /** Null while it does not answer. */
  private async page(name: 'healthz' | 'readyz' | 'metrics'): Promise<Response | null> {
    return this.port === null ? null : fetch(`http://127.0.0.1:${this.port}/${name}`).catch(() => null);
  }
}
