import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Enclosure, ended } from '../../services/hypervisor/enclosure.js';
import { until } from '../../services/hypervisor/until.js';

const CHILD = fileURLToPath(new URL('collector-child.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

interface Told {
  notReady: string[];
  /** by source, µs */
  watermarks: Record<string, number | null>;
}

/** The collector of a hypervisor, as a process beside it. */
export class CollectorProcess {
  private readonly enclosure: Enclosure;
  private readonly spool: string;
  private process: ChildProcess | null = null;
  private told: Told = { notReady: ['it has not begun'], watermarks: {} };

  /** @param spool directory of its event log, inside */
  constructor(enclosure: Enclosure, spool: string) {
    this.enclosure = enclosure;
    this.spool = spool;
  }

  get pid(): number {
    return this.process?.pid as number;
  }

  /** Resolves when it says that it is ready. */
  async start(): Promise<void> {
    this.told = { notReady: ['it has not begun'], watermarks: {} };
    const args = ['-C', ROOT, process.execPath, '--import', 'tsx', CHILD, this.spool];
    const child = this.enclosure.spawn('env', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.process = child;
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.told = JSON.parse(line) as Told;
    });
    await until('the collector is ready', () => {
      if (child.exitCode !== null) throw new Error(`the collector ended with ${child.exitCode}`);
      return this.told.notReady.length === 0;
    });
  }

  /** Why it is not ready; empty when it is. */
  get notReady(): readonly string[] {
    return this.told.notReady;
  }

  /** Resolves when it vouches for everything that has happened until now. */
  async caughtUp(): Promise<void> {
    const now_us = Date.now() * 1000;
    await until('the collector has seen all', () =>
      ['audit', 'virsh-event'].every((source) => (this.told.watermarks[source] ?? 0) > now_us),
    );
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.process?.kill(signal);
    if (this.process !== null) await ended(this.process);
  }
}
