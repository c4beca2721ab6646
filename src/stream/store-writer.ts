import type { Logger } from 'pino';
import { BackOff } from '../domain/back-off.js';
import { MigrationAuditError } from '../domain/errors.js';
import { type DeadLetterReason, deadLetter, reasonOf as reasonForBurial } from '../eventlog/dead-letter.js';
import type { LogRecord, Output, PartitionHandler, Topic } from '../eventlog/port.js';
import { decodeConclusion, decodeEvent } from '../events/codec.js';
import type { Event } from '../events/event.js';
import { REGISTRY_MARKER } from '../events/single-object.js';
import type { Conclusion } from '../events/topic-records.js';
import { isAboutRows } from '../store/database.js';
import type { Store } from '../store/store.js';
import type { ConditionSetter } from '../telemetry/health.js';
import type { Metrics } from '../telemetry/metrics.js';
import { pause } from '../waiting/pause.js';
import { reasonOf } from './reason.js';

export const STORE_GROUP = 'store';

export interface StoreOptions {
  /** rows that are written together */
  batch_records_max: number;
  batch_bytes_max: number;
  /** between the beginnings of two writes of a topic that are not full, ms: every write is a file for ClickHouse */
  write_every_ms: number;
}

export interface StoreWriting {
  store: Store;
  topic: Topic;
  options: StoreOptions;
  metrics: Metrics;
  condition: ConditionSetter;
  logger: Logger;
  signal: AbortSignal;
  begun: () => void;
}

/** A record with what it says. */
interface Read<T> {
  record: LogRecord;
  value: T;
}

const RETRY = { first_ms: 200, most_ms: 30_000 };
/** a file of that is worth its merging; a log may give no more at once */
const FULL_BYTES = 1 << 20;

/** One topic into the store. While the store is away it waits, and with it everything behind the batch. */
export class StoreWriter implements PartitionHandler {
  readonly #writing: StoreWriting;
  readonly #backOff = new BackOff({ ...RETRY, seed: `store rows ${process.pid}` });

  constructor(writing: StoreWriting) {
    this.#writing = writing;
  }

  async begin(): Promise<void> {
    this.#writing.begun();
  }

  async take(batch: readonly LogRecord[]): Promise<readonly Output[]> {
    if (batch.length === 0) return [];
    const { topic, options, signal } = this.#writing;
    const next_ms = performance.now() + options.write_every_ms;
    const outputs: Output[] = [];
    if (topic === 'events') await this.#writeEvents(this.#read(batch, decodeEvent, outputs), outputs);
    else await this.#writeSaid(this.#read(batch, decodeConclusion, outputs), outputs);
    const isFull = batch.length >= options.batch_records_max || bytesOf(batch) >= FULL_BYTES;
    const left_ms = next_ms - performance.now();
    if (!isFull && left_ms > 0) await pause(left_ms, signal);
    return outputs;
  }

  async end(): Promise<void> {}

  /** @param outputs takes those that cannot be read, where no other group sees to that */
  #read<T>(batch: readonly LogRecord[], decode: (bytes: Buffer) => T, outputs: Output[]): Read<T>[] {
    return batch.flatMap((record) => {
      try {
        return [{ record, value: decode(record.value) }];
      } catch (error) {
        const reason = reasonForBurial(error);
        if (reason === null) throw error;
        if (!isSeenTo(record)) this.#bury(record, reason, error as Error, outputs);
        return [];
      }
    });
  }

  #writeEvents(events: readonly Read<Event>[], outputs: Output[]): Promise<void> {
    const { store, metrics } = this.#writing;
    return this.#write(events, outputs, async (values) => {
      await store.writeEvents(values);
      const facts = values.filter(({ kind }) => kind === 'HostFactsRead').length;
      metrics.of.store_rows_total.inc({ table: 'events' }, values.length);
      metrics.of.store_rows_total.inc({ table: 'host_facts' }, facts);
    });
  }

  #writeSaid(conclusions: readonly Read<Conclusion>[], outputs: Output[]): Promise<void> {
    const { store, metrics } = this.#writing;
    return this.#write(conclusions, outputs, async (values) => {
      for (const [table, rows] of await store.writeSaid(values))
        metrics.of.store_rows_total.inc({ table }, rows);
    });
  }

  /** Until they are written. A row that the store does not understand is found by halving, and goes to dead-letters. */
  async #write<T>(
    read: readonly Read<T>[],
    outputs: Output[],
    write: (values: T[]) => Promise<void>,
  ): Promise<void> {
    const { metrics, condition, signal } = this.#writing;
    while (read.length > 0) {
      const end = metrics.of.store_write_duration_seconds.startTimer();
      try {
        await write(read.map(({ value }) => value));
        end();
        condition.ready();
        this.#backOff.reset();
        return;
      } catch (error) {
        if (!(error instanceof MigrationAuditError)) throw error;
        if (isAboutRows(error)) {
          const [only] = read;
          if (read.length === 1 && only !== undefined)
            return this.#bury(only.record, 'refused-by-store', error, outputs);
          const half = read.length >> 1;
          await this.#write(read.slice(0, half), outputs, write);
          await this.#write(read.slice(half), outputs, write);
          return;
        }
        await this.#waitAfter(error);
        if (signal.aborted) throw error;
      }
    }
  }

  async #waitAfter(error: MigrationAuditError): Promise<void> {
    const { metrics, condition, logger, topic, signal } = this.#writing;
    metrics.of.store_errors_total.inc();
    condition.notReady(reasonOf(error));
    logger.error({ err: error, topic }, 'the store refused a batch; trying again');
    await pause(this.#backOff.next(), signal);
  }

  #bury(record: LogRecord, reason: DeadLetterReason, error: Error, outputs: Output[]): void {
    const { metrics, logger } = this.#writing;
    const { topic, partition, offset } = record;
    logger.warn({ err: error, topic, partition, offset }, 'a record went to dead-letters');
    metrics.of.dead_letters_total.inc({ reason });
    outputs.push(deadLetter(STORE_GROUP, reason, record, error.message));
  }
}

/**
 * Whoever judges events puts those to the dead letters that nobody can read. One in the form of schema registries it may
 * have read, where this process knows no registry.
 */
function isSeenTo({ topic, value }: LogRecord): boolean {
  return topic === 'events' && value[0] !== REGISTRY_MARKER;
}

function bytesOf(batch: readonly LogRecord[]): number {
  return batch.reduce((sum, { value }) => sum + value.length, 0);
}
