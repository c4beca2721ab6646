import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RelabelReport } from '../../src/domain/report.js';
import { Random } from '../../src/sim/random.js';
import { connectStore, type StoreReader } from '../../src/store/socket.js';
import { ROOT } from '../architecture/source-tree.js';
import { RotatingWriter } from '../collect/tail/rotating-writer.js';

/** The built program as a user starts it: the whole of `run`, and what others see of it. */

const HOST = join(ROOT, 'test/golden/captures/s4-mismatch-fail/hostb');
const IMAGES = '/var/lib/libvirt/images/nfs';

/** The recorded log as it would be if its images were the files of this directory. */
function linesOn(directory: string): Buffer[] {
  const { dev } = statSync(directory);
  const hex = (number: number) => number.toString(16).padStart(2, '0');
  const device = `${hex((dev >> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >> 12) & 0xfff00))}`;
  const lines = readFileSync(join(HOST, 'audit.log'))
    .toString('latin1')
    .split(/(?<=\n)/);
  return lines.map((line) => {
    const [, name] = new RegExp(`name="${IMAGES}/([^"]+)"`).exec(line) ?? [];
    const placed = line.replaceAll(IMAGES, directory);
    if (name === undefined) return Buffer.from(placed, 'latin1');
    const { ino } = statSync(join(directory, name));
    const file = placed.replace(/ inode=\d+ /, ` inode=${ino} `).replace(/ dev=\S+ /, ` dev=${device} `);
    return Buffer.from(file, 'latin1');
  });
}

/** What takes longer will not come. */
const WAIT_MS_MAX = 60_000;

class Running {
  readonly directory: string;
  readonly socket: string;
  readonly images: string;
  readonly #configuration: string;
  #child: ChildProcess | null = null;
  log = '';

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'migration-audit-run-'));
    this.socket = join(this.directory, 'data/store.sock');
    this.images = join(this.directory, 'images');
    this.#configuration = join(this.directory, 'config.yaml');
    mkdirSync(join(this.directory, 'qemu'));
    mkdirSync(this.images);
    for (const image of ['vm1.qcow2', 'base.raw']) writeFileSync(join(this.images, image), '');
    const guestLog = readFileSync(join(HOST, 'qemu-vm1.log'), 'latin1').replaceAll(IMAGES, this.images);
    writeFileSync(join(this.directory, 'qemu/vm1.log'), guestLog, 'latin1');
    writeFileSync(
      this.#configuration,
      `cluster: lab
host: hostb
data_directory: ${this.directory}/data
collect:
  audit: {path: ${this.directory}/audit.log, from: oldest}
  libvirt: {events: false, guest_logs: ${this.directory}/qemu}
  kernel_losses: {auditctl: null}
  heartbeat: {every_s: 1}
storage: {shared_paths: [${this.images}]}
listen: {port: 0}
`,
    );
    onTestFinished(async () => {
      await this.end('SIGKILL');
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  start(): void {
    const child = spawn(
      process.execPath,
      [join(ROOT, 'dist/cli.js'), 'run', '--config', this.#configuration],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    this.#child = child;
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    this.#child = null;
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    return ended;
  }

  get hasEnded(): boolean {
    return this.#child === null || this.#child.exitCode !== null;
  }

  async store(): Promise<StoreReader> {
    for (;;) {
      const store = await connectStore(this.socket);
      if (store !== null) return store;
      if (this.hasEnded) throw new Error(`it ended:\n${this.log}`);
      await sleep(20);
    }
  }

  /** Waits until the store holds what `enough` asks for. */
  async until(enough: (store: StoreReader) => Promise<boolean>): Promise<StoreReader> {
    const store = await this.store();
    const late_ms = Date.now() + WAIT_MS_MAX;
    while (!(await enough(store))) {
      if (Date.now() > late_ms) throw new Error(`it never came to it:\n${this.log}`);
      if (this.hasEnded) throw new Error(`it ended:\n${this.log}`);
      await sleep(50);
    }
    return store;
  }

  /** Ends it as a service manager would, and returns what the store says. */
  async relabels(count: number): Promise<RelabelReport[]> {
    await this.until(async (store) => (await store.counts()).relabels >= count);
    expect(await this.end('SIGTERM')).toBe(0);
    this.start();
    const { relabels } = await (await this.store()).report('lab');
    return relabels;
  }
}

/** What an undisturbed process makes of the whole log. */
async function undisturbed(): Promise<RelabelReport[]> {
  const running = new Running();
  writeFileSync(join(running.directory, 'audit.log'), Buffer.concat(linesOn(running.images)));
  running.start();
  const relabels = await running.relabels(2);
  await running.end('SIGTERM');
  return relabels;
}

const summary = (relabels: RelabelReport[]) =>
  relabels.map(({ id, verdict, reason, proof, owner }) => ({ id, verdict, reason, proof, owner }));

describe('run', () => {
  it('keeps its data over SIGKILL at any moment, and adds nothing twice', async () => {
    const expected = await undisturbed();
    // one host alone cannot tell what the other's guest needs
    expect(expected.map(({ verdict }) => verdict)).toEqual(['undetermined', 'undetermined']);
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    console.log(`SEED=${seed}`);
    const random = new Random(seed);
    const running = new Running();
    const writer = new RotatingWriter(running.directory, linesOn(running.images), random, {
      files_max: 10_000,
      cuts: false,
    });
    let kills = 0;
    while (kills < 12 || !writer.isDone) {
      running.start();
      const until_ms = Date.now() + 200 + random.below(2_500);
      while (Date.now() < until_ms) {
        if (!writer.isDone) writer.act();
        await sleep(5 + random.below(40));
      }
      await running.end('SIGKILL');
      kills++;
    }
    running.start();
    const relabels = await running.relabels(expected.length);
    expect(summary(relabels)).toEqual(summary(expected));
    await running.end('SIGTERM');
  }, 240_000);
});
