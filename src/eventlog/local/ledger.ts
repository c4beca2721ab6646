import { MigrationAuditError } from '../../domain/errors.js';
import type { LogRecord, NewRecord, Topic, TopicStatistics } from '../port.js';
import { TOPICS } from '../port.js';
import type { Environment, Table } from './environment.js';
import { checked, decodeRecord, encodeRecord, nameKey, offsetOf, recordKey, seal, sizeOf } from './layout.js';

/** What is kept of a topic beside its records. */
interface Count {
  next: number;
  oldest: number;
  /** from here to `oldest` only ids are left, of records that had to go before their time */
  ids_from: number;
  records: number;
  bytes: number;
  bytes_ever: number;
}

const DROPPED_PER_COMMIT_MAX = 10_000;
const EMPTY = Buffer.alloc(0);

/** The tables of the log: reading at any time, writing only inside a transaction of the caller's. */
export class Ledger {
  readonly #records: Table;
  readonly #index: Table;

  constructor(environment: Environment) {
    this.#records = environment.records;
    this.#index = environment.index;
  }

  /**
   * LMDB takes a page of zeros for an empty tree, so that a file that was cut would look like a log with less in it. What
   * is counted twice has to agree.
   *
   * @throws MA_LOG_DAMAGED
   */
  verify(directory: string): void {
    const counted = TOPICS.reduce((sum, topic) => {
      const { records, oldest, ids_from } = this.count(topic);
      return sum + records + oldest - ids_from;
    }, 0);
    const { entryCount } = this.#records.getStats() as { entryCount: number };
    if (counted !== entryCount)
      throw new MigrationAuditError(
        'MA_LOG_DAMAGED',
        directory,
        `${counted} records are counted, and ${entryCount} are there`,
      );
  }

  count(topic: Topic): Count {
    const bytes = this.#get('count', topic);
    const [next = 0, oldest = 0, ids_from = 0, records = 0, size = 0, bytes_ever = 0] =
      bytes === null ? [] : Array.from({ length: 6 }, (_, i) => bytes.readDoubleBE(8 * i));
    return { next, oldest, ids_from, records, bytes: size, bytes_ever };
  }

  statistics(topic: Topic): TopicStatistics {
    const { records, bytes, oldest, next } = this.count(topic);
    const first = topic === 'state' ? this.read(topic, oldest, 1, 1)[0]?.offset : oldest;
    return { records, bytes, oldest_offset: first ?? next, next_offset: next };
  }

  bytes(): number {
    return TOPICS.reduce((sum, topic) => sum + this.count(topic).bytes, 0);
  }

  checkpoint(source: string): Buffer | null {
    return this.#get('checkpoint', source);
  }

  setCheckpoint(source: string, value: Buffer): void {
    this.#put('checkpoint', source, value);
  }

  position(group: string, topic: Topic): number | null {
    return this.#get(`position ${topic}`, group)?.readDoubleBE(0) ?? null;
  }

  setPosition(group: string, topic: Topic, offset: number): void {
    this.#put(`position ${topic}`, group, doubles([offset]));
  }

  has(topic: Topic, id: string | null): boolean {
    return id !== null && this.#get(`id ${topic}`, id) !== null;
  }

  /** Returns how many were there already. */
  append(topic: Topic, records: readonly NewRecord[], now_us: number): number {
    const count = this.count(topic);
    let duplicates = 0;
    for (const record of records) {
      if (this.has(topic, record.id)) {
        duplicates++;
        continue;
      }
      const offset = count.next++;
      const place = recordKey(topic, offset);
      if (topic === 'state' && !this.#supersede(count, record, offset)) continue;
      this.#records.put(place, encodeRecord(place, record, now_us, count.bytes_ever));
      if (record.id !== null) this.#put(`id ${topic}`, record.id, doubles([offset]));
      count.records++;
      count.bytes += sizeOf(record);
      count.bytes_ever += sizeOf(record);
    }
    if (duplicates < records.length) this.#setCount(topic, count);
    return duplicates;
  }

  /** Records from an offset on; at least one if there is one. @throws MA_LOG_DAMAGED */
  read(topic: Topic, from: number, records_max: number, bytes_max: number): LogRecord[] {
    const batch: LogRecord[] = [];
    const { next } = this.count(topic);
    let expected = from;
    let bytes = 0;
    const range = { start: recordKey(topic, from), end: recordKey(topic, next), limit: records_max };
    for (const { key: place, value: raw } of this.#records.getRange(range)) {
      const offset = offsetOf(place);
      if (offset !== expected++ && topic !== 'state') decodeRecord(topic, expected - 1, undefined);
      const { key, value, appended_us } = decodeRecord(topic, offset, raw);
      bytes += key.length + value.length;
      if (batch.length > 0 && bytes > bytes_max) return batch;
      batch.push({ topic, partition: 0, offset, key, value, appended_us });
    }
    if (batch.length === 0 && expected < next && topic !== 'state') decodeRecord(topic, expected, undefined);
    return batch;
  }

  lag(group: string, topic: Topic): { records: number; bytes: number } {
    const { next, oldest, bytes_ever } = this.count(topic);
    const from = Math.max(this.position(group, topic) ?? 0, oldest);
    if (from >= next) return { records: 0, bytes: 0 };
    if (topic === 'state') {
      const records = this.read(topic, from, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      return {
        records: records.length,
        bytes: records.reduce((n, r) => n + r.key.length + r.value.length, 0),
      };
    }
    return { records: next - from, bytes: bytes_ever - this.#stored(topic, from).bytes_before };
  }

  /** Drops what every group consumed, and the time or the size limit says may go. */
  retain(now_us: number, retain_us: number, bytes_max: number): void {
    let excess = this.bytes() - bytes_max;
    for (const topic of TOPICS)
      if (topic !== 'state') excess = this.#retain(topic, now_us - retain_us, excess);
  }

  #retain(topic: Topic, expired_us: number, excess: number): number {
    const count = this.count(topic);
    const { oldest, ids_from } = count;
    const end = Math.min(this.#consumed(topic, count.next), oldest + DROPPED_PER_COMMIT_MAX);
    let left = excess;
    while (count.oldest < end) {
      const stored = this.#stored(topic, count.oldest);
      if (stored.appended_us > expired_us && left <= 0) break;
      const size = sizeOf(stored);
      count.records--;
      count.bytes -= size;
      left -= size;
      const place = recordKey(topic, count.oldest++);
      this.#records.put(
        place,
        encodeRecord(place, { ...stored, value: EMPTY }, stored.appended_us, stored.bytes_before),
      );
    }
    while (count.ids_from < count.oldest) {
      const stored = this.#stored(topic, count.ids_from);
      if (stored.appended_us > expired_us) break;
      this.#remove(topic, count.ids_from++, stored.id);
    }
    if (count.oldest !== oldest || count.ids_from !== ids_from) this.#setCount(topic, count);
    return left;
  }

  /** Up to where every group has read. Events that no group ever asked for wait for the first one. */
  #consumed(topic: Topic, next: number): number {
    // short names begin with `=`, hashed ones with `#`; `>` follows both
    const start = Buffer.from(`position ${topic}#`);
    const end = Buffer.from(`position ${topic}>`);
    const positions = [...this.#index.getRange({ start, end })].map(({ key, value }) =>
      checked(Buffer.from(key), value, `positions of topic ${topic}`).readDoubleBE(0),
    );
    return Math.min(next, ...(positions.length > 0 || topic !== 'events' ? positions : [0]));
  }

  /** Whether the record itself is to be kept: one that deletes its key only leaves a hole. */
  #supersede(count: Count, record: NewRecord, offset: number): boolean {
    const former = this.#get('state', record.key)?.readDoubleBE(0);
    if (former !== undefined) {
      const stored = this.#stored('state', former);
      this.#remove('state', former, stored.id);
      count.records--;
      count.bytes -= sizeOf(stored);
    }
    if (record.value.length > 0) this.#put('state', record.key, doubles([offset]));
    else this.#index.remove(nameKey('state', record.key));
    return record.value.length > 0;
  }

  #stored(topic: Topic, offset: number) {
    return decodeRecord(topic, offset, this.#records.get(recordKey(topic, offset)));
  }

  #remove(topic: Topic, offset: number, id: string | null): void {
    this.#records.remove(recordKey(topic, offset));
    if (id !== null) this.#index.remove(nameKey(`id ${topic}`, id));
  }

  #setCount(topic: Topic, { next, oldest, ids_from, records, bytes, bytes_ever }: Count): void {
    this.#put('count', topic, doubles([next, oldest, ids_from, records, bytes, bytes_ever]));
  }

  #get(prefix: string, name: string): Buffer | null {
    const key = nameKey(prefix, name);
    const bytes = this.#index.get(key);
    return bytes === undefined ? null : checked(key, bytes, `${prefix} ${JSON.stringify(name)}`);
  }

  #put(prefix: string, name: string, value: Buffer): void {
    const key = nameKey(prefix, name);
    this.#index.put(key, seal(key, value));
  }
}

function doubles(numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(8 * numbers.length);
  for (const [i, number] of numbers.entries()) bytes.writeDoubleBE(number, 8 * i);
  return bytes;
}

/** @throws MA_LOG_FULL */
export function refuseBeyond(bytes_max: number, bytes: number, directory: string): void {
  if (bytes > bytes_max)
    throw new MigrationAuditError(
      'MA_LOG_FULL',
      directory,
      `${bytes} bytes of ${bytes_max} with this call, and readers need them`,
    );
}
