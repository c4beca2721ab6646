import { dirname } from 'node:path';
import type { Stream } from '../../events/event.js';
import { AuditReader } from '../audit/reader.js';
import { notReadBeforeGap } from '../gaps.js';
import { DaemonLogReader } from '../libvirt/daemon-log.js';
import type { Source, SourceOutput } from '../source.js';
import { logCheckpointFrom, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { FollowedLog, type LogOptions } from './followed-log.js';
import type { From } from './follower.js';
import { PACE, Pace, type PaceLimits } from './pace.js';
import { Problem } from './problem.js';

export interface LogSourceOptions {
  name: string;
  path: string;
  /** where to begin with a log that was never read */
  from: From;
  place: { cluster: string; host: string };
  /** µs since the epoch */
  clock: () => number;
  pace?: PaceLimits;
}

/** A log without an event for us is not worth a transaction at each look. */
const SILENT_CHECKPOINT_US = 1_000_000;

/** The audit log that auditd writes. */
export function auditFileSource(options: LogSourceOptions): Source {
  return new LogSource(options, {
    stream: 'audit',
    reader: (origin, sink, memory) => new AuditReader(origin, sink, memory),
  });
}

/** The file that libvirtd, virtqemud and the like log to. */
export function daemonLogSource(options: LogSourceOptions): Source {
  return new LogSource(options, {
    stream: 'daemon-log',
    reader: (origin, sink, memory) => new DaemonLogReader(origin, sink, memory),
  });
}

/** One log, through its rotations. */
class LogSource implements Source {
  readonly name: string;
  readonly stream: Stream;
  readonly #options: LogOptions & { pace?: PaceLimits };
  #watermark_us: number | null = null;

  constructor(options: LogSourceOptions, kind: Pick<LogOptions, 'stream' | 'reader'>) {
    this.name = options.name;
    this.stream = kind.stream;
    this.#options = { ...options, ...kind };
  }

  watermark_us(): number | null {
    return this.#watermark_us;
  }

  async run(output: SourceOutput, checkpoint: Buffer | null, signal: AbortSignal): Promise<void> {
    const known = checkpoint === null ? null : (logCheckpointFrom(readCheckpoint(checkpoint)) ?? 'lost');
    const log = new FollowedLog(this.#options, output, known);
    const problem = new Problem(output, this.#options.clock);
    const pace = new Pace(this.#options.pace ?? PACE, dirname(this.#options.path));
    let kept_us = Number.NEGATIVE_INFINITY;
    let isRead = false;
    while (!signal.aborted) {
      const turn = await log.turn();
      if (turn.problem !== undefined) problem.is(turn.problem);
      isRead ||= turn.pace === 'busy';
      const now_us = this.#options.clock();
      const events = log.takeEvents();
      if (turn.isSkipped === true)
        events.push(notReadBeforeGap({ ...this.#options.place, at_us: now_us }, this.stream));
      const isDue = events.length > 0 || (isRead && now_us - kept_us >= SILENT_CHECKPOINT_US);
      const room = isDue ? output.emit(events, bytesOf(log)) : null;
      // What is vouched for has been emitted: a heartbeat may be made at any moment.
      this.#watermark_us = log.watermark_us;
      if (isDue) {
        kept_us = now_us;
        isRead = false;
      }
      await room;
      if (turn.pace === 'busy') await pace.busy();
      else await (turn.pace === 'soon' ? pace.soon(signal) : pace.idle(signal));
    }
    pace.close();
    if (isRead) await output.emit([], bytesOf(log));
    log.close();
  }
}

function bytesOf(log: FollowedLog): Buffer | null {
  const checkpoint = log.checkpoint();
  return checkpoint === null ? null : writeCheckpoint(checkpoint);
}
