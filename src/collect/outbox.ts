import { BackOff } from '../domain/back-off.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { Appended, NewRecord, Spool } from '../eventlog/port.js';
import { pause } from '../waiting/pause.js';

/** What one call of a source hands over: kept together, or not at all. */
export interface Parcel {
  source: string;
  records: NewRecord[];
  /** of keys, ids and values */
  bytes: number;
  checkpoint: Buffer | null;
  /** called when it is durable */
  kept?: () => void;
}

export interface OutboxLimits {
  /** sources wait while more than this waits to be appended */
  waiting_bytes_max: number;
  /** what one append takes, unless a single parcel is more */
  batch_records_max: number;
  batch_bytes_max: number;
  /** between the beginnings of two appends that are not full: each is an fsync, and waits for company so long */
  linger_ms: number;
  /** between two attempts while the log refuses: doubled from the first to the last */
  retry_ms: readonly [first: number, last: number];
}

export const LIMITS: OutboxLimits = {
  waiting_bytes_max: 8 << 20,
  batch_records_max: 4096,
  batch_bytes_max: 1 << 20,
  linger_ms: 20,
  retry_ms: [100, 5000],
};

export interface OutboxEvents {
  appended(result: Appended, parcels: readonly Parcel[], seconds: number): void;
  /** the log refuses for now; called for each attempt */
  refused(error: MigrationAuditError): void;
}

/** Errors that time, or whoever runs the machine, can mend: the same batch is tried again. */
const PASSING = new Set(['MA_LOG_FULL', 'MA_LOG_WRITE']);

/**
 * Between the sources and the log: gathers what they hand over into batches, in order, and makes them wait while the log
 * is slow or refuses.
 *
 * Memory: `waiting_bytes_max`, plus one parcel of each source.
 */
export class Outbox {
  readonly #spool: Spool;
  readonly #events: OutboxEvents;
  readonly #limits: OutboxLimits;
  #waiting: Parcel[] = [];
  #waitingBytes = 0;
  /** when the last append began, ms */
  #appended_ms = Number.NEGATIVE_INFINITY;
  #arrived: (() => void) | null = null;
  #room: (() => void)[] = [];
  readonly #closing = new AbortController();
  #isOver = false;

  constructor(spool: Spool, events: OutboxEvents, limits: OutboxLimits = LIMITS) {
    this.#spool = spool;
    this.#events = events;
    this.#limits = limits;
  }

  get waiting_bytes(): number {
    return this.#waitingBytes;
  }

  /** Resolves when there is room for more. After the end nothing is taken. */
  put(parcel: Parcel): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#waiting.push(parcel);
    this.#waitingBytes += parcel.bytes;
    this.#arrived?.();
    if (this.#waitingBytes < this.#limits.waiting_bytes_max || this.#closing.signal.aborted)
      return Promise.resolve();
    return new Promise((resolve) => this.#room.push(resolve));
  }

  /** No one waits any more: what is there is appended once more, if the log takes it. */
  close(): void {
    this.#closing.abort();
    this.#arrived?.();
    this.#makeRoom();
  }

  /**
   * Runs until `close`, or until `ended` and empty.
   *
   * @param ended when the last parcel has been put
   * @returns how many records the log refused to the end
   * @throws what the log says that waiting does not mend
   */
  async run(ended: Promise<unknown>): Promise<number> {
    let hasEnded = false;
    void ended.then(() => {
      hasEnded = true;
      this.#arrived?.();
    });
    try {
      for (;;) {
        if (this.#waiting.length === 0) {
          if (hasEnded) return 0;
          await new Promise<void>((resolve) => {
            this.#arrived = resolve;
          });
          this.#arrived = null;
          continue;
        }
        if (!hasEnded && !this.#isBatchFull()) await this.#linger();
        const batch = this.#nextBatch();
        this.#appended_ms = performance.now();
        if (!(await this.#append(batch)))
          return [...batch, ...this.#waiting].reduce((sum, { records }) => sum + records.length, 0);
      }
    } finally {
      this.#isOver = true;
      this.#makeRoom();
    }
  }

  #isBatchFull(): boolean {
    const { batch_bytes_max, batch_records_max } = this.#limits;
    if (this.#waitingBytes >= batch_bytes_max) return true;
    return this.#waiting.reduce((sum, { records }) => sum + records.length, 0) >= batch_records_max;
  }

  async #linger(): Promise<void> {
    const left_ms = this.#appended_ms + this.#limits.linger_ms - performance.now();
    if (left_ms > 0) await pause(left_ms, this.#closing.signal);
  }

  #nextBatch(): Parcel[] {
    const { batch_bytes_max, batch_records_max } = this.#limits;
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const parcel of this.#waiting) {
      records += parcel.records.length;
      bytes += parcel.bytes;
      if (count > 0 && (records > batch_records_max || bytes > batch_bytes_max)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** @returns false when the log refused and nobody waits any more */
  async #append(parcels: readonly Parcel[]): Promise<boolean> {
    const batch = { records: parcels.flatMap(({ records }) => records), checkpoints: checkpointsOf(parcels) };
    const [first_ms, most_ms] = this.#limits.retry_ms;
    const backOff = new BackOff({ first_ms, most_ms, seed: `outbox ${process.pid}` });
    for (;;) {
      try {
        const from = process.hrtime.bigint();
        const result = await this.#spool.append(batch);
        this.#events.appended(result, parcels, Number(process.hrtime.bigint() - from) / 1e9);
        break;
      } catch (error) {
        if (!(error instanceof MigrationAuditError) || !PASSING.has(error.code)) throw error;
        this.#events.refused(error);
        if (this.#closing.signal.aborted) return false;
        await pause(backOff.next(), this.#closing.signal);
      }
    }
    for (const { bytes, kept } of parcels) {
      this.#waitingBytes -= bytes;
      kept?.();
    }
    if (this.#waitingBytes < this.#limits.waiting_bytes_max) this.#makeRoom();
    return true;
  }

  #makeRoom(): void {
    const waiting = this.#room;
    this.#room = [];
    for (const resolve of waiting) resolve();
  }
}

/** The last one of a source says it all. */
function checkpointsOf(parcels: readonly Parcel[]): Map<string, Buffer> {
  const checkpoints = new Map<string, Buffer>();
  for (const { source, checkpoint } of parcels) if (checkpoint !== null) checkpoints.set(source, checkpoint);
  return checkpoints;
}
