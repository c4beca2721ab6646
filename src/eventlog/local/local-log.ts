/**
 * The event log of one machine, in one LMDB environment.
 *
 * Invariants:
 * - Every change is one LMDB transaction, on the disk before anybody hears of it. Writes of one turn share it.
 * - Offsets of a topic begin at 0 and have no holes, save in `state`, which keeps the latest record of a key.
 * - A record leaves when every registered group consumed it and time or size ask for it; its id stays for `retain_us`.
 * - Readers of a batch see committed data only.
 * - Every value carries a CRC-32C over its key and its bytes. What fails it is never delivered.
 *
 * Layout (layout.ts has the bytes): tables `meta` (format, holder), `records` (topic, offset -> record) and `index`
 * (ids, latest offset of a state key, checkpoints, positions, counts of a topic).
 *
 * Recovery: none of our own. LMDB never overwrites a page that the last commit refers to, so a killed writer leaves
 * the last committed state. The holder's entry names a process and its start; one that is no more holds nothing.
 * It cannot tell processes of other PID namespaces: do not share a directory between containers.
 *
 * A commit waits for the disk on the event loop: simpler to reason about than a second thread, and batches keep
 * their number low.
 */
import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MigrationAuditError } from '../../domain/errors.js';
import type {
  Appended,
  EventLog,
  LogRecord,
  LogStatistics,
  NewRecord,
  ProcessOptions,
  Topic,
} from '../port.js';
import { TOPICS } from '../port.js';
import { closeEnvironment, type Environment, notOpened, openEnvironment } from './environment.js';
import { sizeOf } from './layout.js';
import { Ledger, refuseBeyond } from './ledger.js';
import { processTopic, recordsOf, Wake } from './reader.js';
import { type KillPoint, Writer } from './writer.js';

export interface LocalLogOptions {
  directory: string;
  /** keys, ids and values of what is kept; the files take more. Appends beyond it are refused. */
  bytes_max: number;
  retain_us: number;
  /** µs since the epoch */
  clock?: () => number;
  readOnly?: boolean;
  /** called at every point where a kill must do no harm */
  at?: (point: KillPoint) => void;
}

/** @throws MA_LOG_IN_USE, MA_LOG_FORMAT, MA_LOG_DAMAGED; MA_LOG_FULL and MA_LOG_WRITE, which pass */
export function openLocalLog(options: LocalLogOptions): EventLog {
  let directory = options.directory;
  try {
    if (options.readOnly !== true) makeDirectory(directory);
    directory = realpathSync(directory);
  } catch (cause) {
    throw notOpened(directory, cause, options.readOnly === true);
  }
  const environment = openEnvironment(directory, options.bytes_max, options.readOnly === true);
  try {
    new Ledger(environment).verify(directory);
  } catch (error) {
    void closeEnvironment(environment, directory, true);
    throw error;
  }
  return new LocalLog(environment, { ...options, directory });
}

function makeDirectory(path: string): void {
  const mode = 0o750;
  try {
    mkdirSync(path, { recursive: true, mode });
  } catch {
    // of a read-only file system the recursive one says ENOENT
    mkdirSync(path, { mode });
  }
}

class LocalLog implements EventLog {
  readonly #environment: Environment;
  readonly #options: LocalLogOptions;
  readonly #ledger: Ledger;
  readonly #writer: Writer;
  readonly #wake = new Wake();
  readonly #ended = new AbortController();
  readonly #readers = new Map<string, Promise<void>>();
  readonly #now: () => number;

  constructor(environment: Environment, options: LocalLogOptions) {
    this.#environment = environment;
    this.#options = options;
    this.#now = options.clock ?? (() => Date.now() * 1000);
    this.#ledger = new Ledger(environment);
    this.#writer = new Writer(environment, options.directory, {
      housekeep: () => this.#ledger.retain(this.#now(), options.retain_us, options.bytes_max),
      committed: () => this.#wake.all(),
      at: options.at,
    });
  }

  append(batch: {
    records: readonly NewRecord[];
    checkpoints: ReadonlyMap<string, Buffer>;
  }): Promise<Appended> {
    return this.#commit(() => {
      if (!this.#hasRoom(bytesOf(batch.records))) {
        const fresh = batch.records.filter((record) => !this.#ledger.has('events', record.id));
        if (fresh.length > 0) this.#makeRoom(bytesOf(fresh));
      }
      const duplicates = this.#ledger.append('events', batch.records, this.#now());
      for (const [source, value] of batch.checkpoints) this.#ledger.setCheckpoint(source, value);
      return { offsets_to: this.#ledger.count('events').next, duplicates };
    });
  }

  appendTo(topic: Topic, records: readonly NewRecord[]): Promise<void> {
    return this.#commit(() => {
      this.#makeRoom(bytesOf(records));
      this.#ledger.append(topic, records, this.#now());
    });
  }

  scan(topic: Topic): AsyncIterable<LogRecord> {
    return recordsOf(this.#ledger, topic, this.#ledger.count(topic).next);
  }

  #hasRoom(bytes: number): boolean {
    return this.#ledger.bytes() + bytes <= this.#options.bytes_max;
  }

  #makeRoom(bytes: number): void {
    const { bytes_max, retain_us, directory } = this.#options;
    this.#ledger.retain(this.#now(), retain_us, bytes_max - bytes);
    refuseBeyond(bytes_max, this.#ledger.bytes() + bytes, directory);
  }

  checkpoint(source: string): Buffer | null {
    return this.#ledger.checkpoint(source);
  }

  process(options: ProcessOptions): Promise<void> {
    const name = JSON.stringify([options.group, options.topic]);
    if (this.#readers.has(name))
      return Promise.reject(
        new MigrationAuditError('MA_LOG_IN_USE', name, 'the group reads this topic already'),
      );
    const signal = AbortSignal.any([options.signal, this.#ended.signal]);
    const running = processTopic(
      { ...options, signal },
      { ledger: this.#ledger, wake: this.#wake, now: this.#now, commit: (write) => this.#commit(write) },
    ).finally(() => this.#readers.delete(name));
    this.#readers.set(name, running);
    return running;
  }

  lag(group: string, topic: Topic): { records: number; bytes: number } {
    return this.#ledger.lag(group, topic);
  }

  statistics(): LogStatistics {
    const entries = TOPICS.map((topic) => [topic, this.#ledger.statistics(topic)] as const);
    return {
      topics: Object.fromEntries(entries) as LogStatistics['topics'],
      disk_bytes: statSync(join(this.#options.directory, 'data.mdb')).blocks * 512,
    };
  }

  async close(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    await Promise.allSettled(this.#readers.values());
    this.#writer.close();
    await closeEnvironment(this.#environment, this.#options.directory, this.#options.readOnly === true);
  }

  #commit<T>(write: () => T): Promise<T> {
    if (this.#options.readOnly !== true) return this.#writer.commit(write);
    const { directory } = this.#options;
    return Promise.reject(
      new MigrationAuditError('MA_LOG_WRITE', directory, 'it was opened for reading only'),
    );
  }
}

function bytesOf(records: readonly NewRecord[]): number {
  return records.reduce((sum, record) => sum + sizeOf(record), 0);
}
