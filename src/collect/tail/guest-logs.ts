import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../../events/event.js';
import { readFailure } from '../file-bytes.js';
import { notReadBeforeGap } from '../gaps.js';
import { GuestLogReader } from '../libvirt/guest-log.js';
import type { Source, SourceOutput } from '../source.js';
import { type LogCheckpoint, logCheckpointFrom, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { FollowedLog, type LogOptions, QUIET_US, WRITING_US } from './followed-log.js';
import { type From, NO_SUCH_FILE } from './follower.js';
import { identityOf, statOf } from './generations.js';
import { PACE, Pace, type PaceLimits } from './pace.js';
import { Problem } from './problem.js';
import { guestOfLog, isGuestConsole, logOf } from './rotated-names.js';

export interface GuestLogsOptions {
  name: string;
  /** where libvirt keeps NAME.log for each guest */
  directory: string;
  /** where to begin with the logs that are there when nothing was ever read; later ones are read whole */
  from: From;
  place: { cluster: string; host: string };
  /** µs since the epoch */
  clock: () => number;
  pace?: PaceLimits;
}

/** Hundreds of logs rest for hours: where nothing happens in their directory they are looked at no more often. */
const SCAN_EVERY_MS = 1000;
/** Logs that are read at the same time; the others wait, as files do. */
const AWAKE_MAX = 64;
/** Pieces of one log before it is another one's turn. */
const TURNS_MAX = 4;

/** A log that rests: no file is open, and its reader is what the checkpoint says. */
interface Resting {
  checkpoint: LogCheckpoint | 'lost' | null;
  /** device, inode, size and change of the file when it was last read to its end; null: look at it */
  seen: string | null;
}

/** The logs of all guests of the host, as they come and go, as one stream. */
export function guestLogsSource(options: GuestLogsOptions): Source {
  return new GuestLogs(options);
}

class GuestLogs implements Source {
  readonly name: string;
  readonly stream = 'guest-log';
  readonly #options: GuestLogsOptions;
  readonly #pace: PaceLimits;
  readonly #resting = new Map<string, Resting>();
  readonly #awake = new Map<string, FollowedLog>();
  #events: Event[] = [];
  #watermark_us: number | null = null;
  #scanned_us = Number.NEGATIVE_INFINITY;
  /** more logs want to be read than may be at once */
  #isCrowded = false;

  constructor(options: GuestLogsOptions) {
    this.name = options.name;
    this.#options = options;
    this.#pace = options.pace ?? PACE;
  }

  watermark_us(): number | null {
    return this.#watermark_us;
  }

  async run(output: SourceOutput, checkpoint: Buffer | null, signal: AbortSignal): Promise<void> {
    const { clock, place } = this.#options;
    this.#restore(checkpoint);
    let from = checkpoint === null ? this.#options.from : 'oldest';
    const problem = new Problem(output, clock);
    const pace = new Pace(this.#pace, this.#options.directory);
    let isChanged = false;
    let isRead = checkpoint === null;
    while (!signal.aborted) {
      const from_us = clock();
      let trouble: string | null = null;
      const isScan = isChanged || from_us - this.#scanned_us >= SCAN_EVERY_MS * 1000;
      if (isScan) {
        trouble = this.#scan(output, from);
        // Whatever comes from now on is new.
        if (trouble === null) from = 'oldest';
      }
      let isBusy = false;
      let isSkipped = false;
      for (const [name, log] of this.#awake) {
        const turn = await this.#read(name, log);
        isBusy ||= turn.isBusy;
        isRead ||= turn.isBusy;
        isSkipped ||= turn.isSkipped;
        if (turn.problem !== null) trouble ??= `${name}: ${turn.problem}`;
      }
      if (isScan || trouble !== null) problem.is(trouble);
      if (isSkipped) this.#events.push(notReadBeforeGap({ ...place, at_us: clock() }, this.stream));
      if (this.#events.length > 0 || (isRead && !isBusy)) {
        isRead = false;
        await output.emit(this.#takeEvents(), this.#checkpoint());
      }
      if (isScan && !isBusy && trouble === null) this.#vouch(from_us);
      isChanged = false;
      if (isBusy) await pace.busy();
      else isChanged = await pace.idle(signal);
    }
    pace.close();
    if (isRead) await output.emit([], this.#checkpoint());
    for (const log of this.#awake.values()) log.close();
  }

  #restore(checkpoint: Buffer | null): void {
    if (checkpoint === null) return;
    const known = readCheckpoint(checkpoint);
    if (typeof known !== 'object' || known === null) return;
    for (const [name, value] of Object.entries(known))
      this.#resting.set(name, { checkpoint: logCheckpointFrom(value) ?? 'lost', seen: null });
  }

  /**
   * Wakes the logs of which something changed.
   *
   * @returns what is in the way of the directory
   */
  #scan(output: SourceOutput, from: From): string | null {
    const { directory } = this.#options;
    this.#scanned_us = this.#options.clock();
    let names: string[];
    try {
      names = readdirSync(directory);
    } catch (error) {
      return readFailure(directory, error).message;
    }
    const logs = new Set(names.map(logOf).filter((log) => log !== null));
    for (const name of this.#resting.keys()) if (!logs.has(name)) this.#resting.delete(name);
    this.#isCrowded = false;
    for (const name of logs) {
      if (this.#awake.has(name) || isGuestConsole(name, logs)) continue;
      const resting = this.#resting.get(name) ?? { checkpoint: null, seen: null };
      if (resting.seen !== null && resting.seen === signatureOf(join(directory, name))) continue;
      if (this.#awake.size >= AWAKE_MAX) this.#isCrowded = true;
      else this.#wake(name, resting, output, from);
    }
    return null;
  }

  #wake(name: string, { checkpoint }: Resting, output: SourceOutput, from: From): void {
    const { directory, place, clock } = this.#options;
    const options: LogOptions = {
      stream: this.stream,
      path: join(directory, name),
      from,
      place,
      clock,
      reader: (origin, sink, memory) => new GuestLogReader(origin, sink, guestOfLog(name), memory),
    };
    this.#resting.delete(name);
    this.#awake.set(name, new FollowedLog(options, output, checkpoint));
  }

  async #read(
    name: string,
    log: FollowedLog,
  ): Promise<{ isBusy: boolean; isSkipped: boolean; problem: string | null }> {
    let isSkipped = false;
    for (let turns = 0; turns < TURNS_MAX; turns++) {
      const seen = signatureOf(join(this.#options.directory, name));
      const turn = await log.turn();
      this.#events.push(...log.takeEvents());
      isSkipped ||= turn.isSkipped === true;
      if (turn.pace === 'busy') continue;
      // Where it is not there it was rotated and not begun again, or removed with its guest.
      const problem = turn.problem === NO_SUCH_FILE ? null : (turn.problem ?? null);
      if (log.isQuiet) this.#rest(name, log, seen);
      else if (problem !== null && this.#awake.size >= AWAKE_MAX) this.#rest(name, log, null);
      return { isBusy: turns > 0, isSkipped, problem };
    }
    return { isBusy: true, isSkipped, problem: null };
  }

  #rest(name: string, log: FollowedLog, seen: string | null): void {
    this.#resting.set(name, { checkpoint: log.checkpoint(), seen });
    log.close();
    this.#awake.delete(name);
  }

  /** Nothing was left to read since `from_us`, in any log. */
  #vouch(from_us: number): void {
    if (this.#isCrowded) return;
    let until_us = from_us - QUIET_US - WRITING_US;
    for (const log of this.#awake.values()) {
      if (log.watermark_us === null) return;
      until_us = Math.min(until_us, log.watermark_us);
    }
    this.#watermark_us = Math.max(this.#watermark_us ?? 0, until_us);
  }

  #takeEvents(): Event[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #checkpoint(): Buffer {
    const logs: [string, LogCheckpoint][] = [];
    for (const [name, { checkpoint }] of this.#resting)
      if (checkpoint !== null && checkpoint !== 'lost') logs.push([name, checkpoint]);
    for (const [name, log] of this.#awake) {
      const checkpoint = log.checkpoint();
      if (checkpoint !== null) logs.push([name, checkpoint]);
    }
    return writeCheckpoint(Object.fromEntries(logs));
  }
}

/** Null when that cannot be told. */
function signatureOf(path: string): string | null {
  try {
    const stats = statOf(path);
    if (stats === null) return NO_SUCH_FILE;
    const { dev, ino } = identityOf(stats);
    return `${dev}:${ino}:${stats.size}:${stats.mtimeNs}`;
  } catch {
    return null;
  }
}
