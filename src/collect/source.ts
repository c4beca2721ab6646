import type { Event, Stream } from '../events/event.js';

/**
 * What a collector reads, one source a stream of one place: an audit log through its rotations, a child process, a
 * directory of guests' logs, the facts of the host.
 */
export interface Source {
  /** names its checkpoint and its metrics; stable over restarts: `audit`, `virsh-event`, `host-facts` … */
  readonly name: string;
  readonly stream: Stream;
  /** what it says while nobody listens is lost, as with a program's output; false when not said */
  readonly isLive?: boolean;
  /**
   * Runs until aborted, then hands on what it can and returns. What the machine does to it (a file that goes away, a
   * program that ends) is waited out and told by `down` and by gaps, never thrown.
   *
   * @param checkpoint the one last emitted that became durable; null for a source never seen
   */
  run(output: SourceOutput, checkpoint: Buffer | null, signal: AbortSignal): Promise<void>;
  /**
   * Time up to which everything that the source will ever say of this host is emitted, µs on the host's clock; null
   * while that is not known. It goes into the heartbeat, and verdicts rest on it.
   */
  watermark_us(): number | null;
  /** Read now what would else be read at its time: facts that an event made stale. */
  refresh?(): void;
}

/** What a source gives to its collector. */
export interface SourceOutput {
  /**
   * The events and the checkpoint that covers them become durable together. Resolves when there is room for more,
   * which is not yet when they are durable; never rejects.
   *
   * @param checkpoint null leaves it as it was
   */
  emit(events: readonly Event[], checkpoint: Buffer | null): Promise<void>;
  up(): void;
  down(reason: string): void;
  /** for counting */
  read(lines: number, bytes: number): void;
  foreign(lines: number): void;
  rejected(reason: string): void;
  restarted(): void;
}
