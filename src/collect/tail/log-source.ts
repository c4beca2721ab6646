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
  #log: FollowedLog | null = null;

  constructor(options: LogSourceOptions, kind: Pick<LogOptions, 'stream' | 'reader'>) {
    this.name = options.name;
    this.stream = kind.stream;
    this.#options = { ...options, ...kind };
  }

  watermark_us(): number | null {
    return this.#log?.watermark_us ?? null;
  }

  async run(output: SourceOutput, checkpoint: Buffer | null, signal: AbortSignal): Promise<void> {
    const known = checkpoint === null ? null : (logCheckpointFrom(readCheckpoint(checkpoint)) ?? 'lost');
    const log = new FollowedLog(this.#options, output, known);
    this.#log = log;
    const problem = new Problem(output, this.#options.clock);
    const pace = new Pace(this.#options.pace ?? PACE);
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
      if (events.length > 0 || (isRead && now_us - kept_us >= SILENT_CHECKPOINT_US)) {
        kept_us = now_us;
        isRead = false;
        await output.emit(events, bytesOf(log));
      }
      if (turn.pace === 'busy') await pace.busy();
      else await (turn.pace === 'soon' ? pace.soon(signal) : pace.idle(signal));
    }
    if (isRead) await output.emit([], bytesOf(log));
    log.close();
  }
}

function bytesOf(log: FollowedLog): Buffer | null {
  const checkpoint = log.checkpoint();
  return checkpoint === null ? null : writeCheckpoint(checkpoint);
}
