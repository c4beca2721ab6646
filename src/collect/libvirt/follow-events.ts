import { BackOff } from '../../domain/back-off.js';
import type { Stream } from '../../events/event.js';
import type { EventSink, Origin, Reader } from '../../events/origin.js';

import type { Clock } from '../process/clock.js';
import type { Source, SourceOutput } from '../source.js';
import { EventCheckpoint } from './event-checkpoint.js';
import { FollowedRun, type Missed } from './followed-run.js';
import type { NameResolver } from './resolve-names.js';

export interface FollowedEvents {
  /** names the source */
  name: string;
  stream: Extract<Stream, 'virsh-event' | 'qemu-monitor-event'>;
  cluster: string;
  host: string;
  boot: string | null;
  /** path of virsh and its arguments; its first command is `uri`, so that its first line says that it is connected */
  program: string;
  args: readonly string[];
  reader: (origin: Origin, sink: EventSink) => Reader;
  /** null leaves names as they are */
  names: NameResolver | null;
  /** how much older than its line an event can be, µs */
  delay_us: number;
  /** there may be older records of this host in other streams: say that this stream has none of that time */
  saysWhatItMissed: boolean;
  clock: Clock;
  /** from now on nothing goes by unseen: what did before can be found out by looking */
  onFollowed: () => void;
  /** a guest was defined or started: what is known of guests is out of date */
  onGuestsChanged: () => void;
}

const RESTARTS = { first_ms: 1_000, most_ms: 60_000 };
/** After this long without trouble the next failure is a new one. */
const STEADY_US = 60_000_000;

/**
 * Follows what a virsh prints for as long as it runs, and runs it again. Nothing that happens while none runs is ever told:
 * each time that is a gap.
 *
 * The pipe holds output back while the collector has no room; when that takes too long, libvirt drops virsh, which is a gap
 * as well.
 */
export class EventFollower implements Source {
  readonly name: string;
  readonly stream: Stream;
  private readonly options: FollowedEvents;
  private followed: FollowedRun | null = null;

  constructor(options: FollowedEvents) {
    this.options = options;
    this.name = options.name;
    this.stream = options.stream;
  }

  async run(output: SourceOutput, checkpoint: Buffer | null, signal: AbortSignal): Promise<void> {
    const { clock, saysWhatItMissed } = this.options;
    const kept = EventCheckpoint.from(checkpoint, clock.now_us());
    const backOff = new BackOff({ ...RESTARTS, seed: `${this.options.host} ${this.name}` });
    let missed: Missed | null =
      kept.seen_us !== null || saysWhatItMissed
        ? { kind: 'collector-down', from_us: kept.seen_us, detail: 'the collector did not run' }
        : null;
    for (let starts = 0; !signal.aborted; starts++) {
      if (starts > 0) output.restarted();
      const run = new FollowedRun(this.options, output, kept, missed);
      this.followed = run;
      const ended = await run.run(signal);
      // the last watermark stands when it ends because it was told to
      if (signal.aborted) break;
      this.followed = null;
      missed = run.missedAfter(ended);
      if (run.ranFor_us() > STEADY_US) backOff.reset();
      output.down(ended.failure ?? (ended.said || 'virsh ended'));
      await clock.sleep(backOff.next(), signal);
    }
    await output.emit([], kept.buffer());
  }

  watermark_us(): number | null {
    return this.followed?.watermark_us() ?? null;
  }
}
