import { spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestLogsSource } from '../../src/collect/tail/guest-logs.js';
import { auditFileSource, daemonLogSource } from '../../src/collect/tail/log-source.js';
import { Random } from '../../src/sim/random.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import {
  clock,
  eventLog,
  eventsIn,
  eventually,
  idsOfReplay,
  PACE,
  PLACE,
  startCollecting,
} from './collecting.js';

const CAPTURES = new URL('../golden/captures/', import.meta.url).pathname;
const CHILD = new URL('./kill-child.ts', import.meta.url).pathname;
const POINTS = ['before-transaction', 'before-commit', 'after-commit', 'after-acknowledge'];
const KILLS = 12;
const SEEDS = [1, 2, 3, Math.floor(Math.random() * 2 ** 31)];

/** A log that grows while it is followed, in pieces cut anywhere. */
class Growing {
  readonly whole: Buffer;
  readonly path: string;
  #at = 0;
  #rotations = 0;

  constructor(path: string, whole: Buffer) {
    this.path = path;
    this.whole = whole;
    writeFileSync(path, '');
  }

  grow(bytes: number): void {
    appendFileSync(this.path, this.whole.subarray(this.#at, this.#at + bytes));
    this.#at = Math.min(this.whole.length, this.#at + bytes);
  }

  /** To the end of the line, and then into the next file, by renaming or by copying. */
  rotate(isCopied: boolean): void {
    const end = this.whole.indexOf(10, this.#at);
    if (end < 0 || this.#at === 0) return;
    this.grow(end + 1 - this.#at);
    for (let n = this.#rotations; n >= 1; n--) renameSync(`${this.path}.${n}`, `${this.path}.${n + 1}`);
    this.#rotations++;
    if (isCopied) {
      copyFileSync(this.path, `${this.path}.1`);
      truncateSync(this.path, 0);
    } else {
      renameSync(this.path, `${this.path}.1`);
      writeFileSync(this.path, '', { flag: 'wx' });
    }
  }

  finish(): void {
    this.grow(this.whole.length);
  }
}

describe('a collector that is killed', () => {
  for (const [index, point] of POINTS.entries()) {
    const seed = SEEDS[index] as number;
    it(`${point}, again and again, keeps each event of its logs once, seed ${seed}`, {
      timeout: 300_000,
    }, async () => {
      const random = new Random(seed);
      const directory = temporaryDirectory();
      mkdirSync(join(directory, 'qemu'));
      const capture = (path: string) => readFileSync(join(CAPTURES, path));
      const logs = [
        new Growing(join(directory, 'audit.log'), capture('bounce-restart/hostb/audit.log')),
        new Growing(join(directory, 'libvirtd.log'), capture('shareable/hostb/libvirtd-journal.log')),
        new Growing(join(directory, 'qemu/vm1.log'), capture('s4-mismatch-fail/hosta/qemu-vm1.log')),
      ];
      for (let kill = 0; kill < KILLS; kill++) {
        const nth = String(1 + random.below(6));
        const child = spawn(process.execPath, ['--import', 'tsx', CHILD, directory, point, nth]);
        let errors = '';
        child.stderr.on('data', (text) => {
          errors += text;
        });
        let ended: NodeJS.Signals | number | null = null;
        child.on('exit', (code, signal) => {
          ended = signal ?? code;
        });
        await eventually(() => {
          for (const log of logs) {
            if (random.below(3) === 0) log.grow(random.below(log.whole.length / 200));
            if (random.below(60) === 0) log.rotate(random.below(2) === 0);
          }
          return ended !== null;
        });
        expect(errors).toBe('');
        expect(ended).toBe('SIGKILL');
      }
      for (const log of logs) log.finish();

      const spool = eventLog(join(directory, 'spool'));
      const common = { from: 'oldest' as const, place: PLACE, clock, pace: PACE };
      const sources = [
        auditFileSource({ ...common, name: 'audit', path: join(directory, 'audit.log') }),
        daemonLogSource({ ...common, name: 'daemon-log', path: join(directory, 'libvirtd.log') }),
        guestLogsSource({ ...common, name: 'guest-logs', directory: join(directory, 'qemu') }),
      ];
      const from = clock();
      const collecting = startCollecting(sources, spool);
      await eventually(() => sources.every((source) => (source.watermark_us() ?? 0) > from - 500_000));
      await collecting.stop();
      const events = (await eventsIn(spool)).filter(({ stream }) => stream !== 'collector');

      const whole = (name: string, content: Buffer) => {
        const path = join(temporaryDirectory({ [name]: content }), name);
        return path;
      };
      const wanted = new Set([
        ...(await idsOfReplay(whole('audit.log', logs[0]!.whole), 'audit')),
        ...(await idsOfReplay(whole('libvirtd.log', logs[1]!.whole), 'daemon-log')),
        ...(await idsOfReplay(whole('qemu-vm1.log', logs[2]!.whole), 'guest-log')),
      ]);
      expect(events.map(({ id }) => id).sort()).toEqual([...wanted].sort());
      expect(new Set(events.map(({ stream }) => stream)).size).toBe(3);
    });
  }
});
