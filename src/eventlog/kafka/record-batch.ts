import { gunzipSync } from 'node:zlib';
import { MigrationAuditError } from '../../domain/errors.js';
import { crc32c } from '../crc32c.js';
import type { LogRecord, Topic } from '../port.js';

/**
 * What a fetch response holds of one partition: record batches of format 2, one after the other.
 *
 *     base offset i64 | length i32 (of what follows) | leader epoch i32 | magic i8 | CRC-32C u32 (of what follows) |
 *     attributes i16 | last offset delta i32 | base timestamp i64 | max timestamp i64 | producer id i64 |
 *     producer epoch i16 | base sequence i32 | number of records i32 | records
 *
 *     record: length v | attributes i8 | timestamp delta v | offset delta v | key length v | key | value length v |
 *     value | headers        (v: zigzag varint; a length of -1 is null)
 *
 * kafkajs reads them, too, and hides what this needs: the offsets of a batch that compaction emptied (without them a
 * reader asks for the same offset forever), all aborted transactions that begin before one record (it looks at one of
 * them at a time and lets records of the next through), and the checksum.
 */

const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const COUNT_AT = 57;
const RECORDS_AT = 61;

const COMPRESSION = 0x07;
const GZIP = 1;
const IS_APPEND_TIME = 0x08;
const IS_TRANSACTIONAL = 0x10;
const IS_CONTROL = 0x20;
const ABORT_MARKER = 0;

/** far above what a batch of the largest allowed bytes of events unpacks to */
const UNPACKED_BYTES_MAX = 256 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

/** A transaction whose records are to be left out, from its first offset to its end. */
export interface AbortedTransaction {
  producer: bigint;
  first_offset: number;
}

export interface ReadRecords {
  records: LogRecord[];
  /** the offset after everything that was read, what was left out included; `from` when nothing was there */
  next: number;
}

/**
 * Reads committed records from an offset on. What the response cut off at its end is left for the next one.
 *
 * @throws MA_LOG_DAMAGED for bytes that are no record batch, or one whose checksum is wrong
 */
export function readRecordBatches(
  bytes: Buffer,
  place: Place,
  aborted: readonly AbortedTransaction[],
): ReadRecords {
  const { from } = place;
  const left = [...aborted].sort((a, b) => a.first_offset - b.first_offset);
  const open = new Set<bigint>();
  const records: LogRecord[] = [];
  let next = from;
  let at = 0;
  while (at + RECORDS_AT <= bytes.length) {
    const base = number(bytes.readBigInt64BE(at));
    const length = LENGTH_AT + 4 + bytes.readInt32BE(at + LENGTH_AT);
    if (at + length > bytes.length) break;
    const batch = bytes.subarray(at, at + Math.max(0, length));
    check(batch, place, base);
    at += length;
    const last = base + batch.readInt32BE(LAST_OFFSET_DELTA_AT);
    next = Math.max(next, last + 1);
    while (left.length > 0 && left[0]!.first_offset <= last) open.add(left.shift()!.producer);
    const attributes = batch.readInt16BE(ATTRIBUTES_AT);
    const producer = batch.readBigInt64BE(PRODUCER_ID_AT);
    if ((attributes & IS_CONTROL) !== 0) {
      if (isAbort(batch)) open.delete(producer);
    } else if ((attributes & IS_TRANSACTIONAL) === 0 || !open.has(producer))
      for (const record of recordsOf(batch, attributes, place, base)) records.push(record);
  }
  return { records, next };
}

function check(batch: Buffer, place: Place, base: number): void {
  const where = `topic ${place.topic}, partition ${place.partition}, offset ${base}`;
  if (batch.length < RECORDS_AT || batch.readInt8(MAGIC_AT) !== 2)
    throw new MigrationAuditError('MA_LOG_DAMAGED', where, 'it is no record batch of format 2');
  if (crc32c(batch.subarray(ATTRIBUTES_AT)) !== batch.readUInt32BE(CRC_AT))
    throw new MigrationAuditError('MA_LOG_DAMAGED', where, 'the checksum of the record batch is wrong');
}

interface Place {
  topic: Topic;
  partition: number;
  from: number;
}

/** Its checksum is right and what it holds is not: whoever may write to the topic can make such a batch. */
class Unreadable extends Error {}

/**
 * What cannot be read comes as one record, the whole batch its value: the handler will not know it for an event, and
 * put it to the dead letters. It must neither be lost nor hold up the partition.
 */
function recordsOf(batch: Buffer, attributes: number, place: Place, base: number): LogRecord[] {
  try {
    return readRecords(batch, attributes, place, base);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    if (base < place.from) return [];
    const { topic, partition } = place;
    const appended_us = 1000 * number(batch.readBigInt64BE(MAX_TIMESTAMP_AT));
    return [{ topic, partition, offset: base, key: '', value: batch, appended_us }];
  }
}

function readRecords(
  batch: Buffer,
  attributes: number,
  { topic, partition, from }: Place,
  base: number,
): LogRecord[] {
  const records: LogRecord[] = [];
  const count = batch.readInt32BE(COUNT_AT);
  const base_ms = number(batch.readBigInt64BE(BASE_TIMESTAMP_AT));
  const append_ms =
    (attributes & IS_APPEND_TIME) === 0 ? null : number(batch.readBigInt64BE(MAX_TIMESTAMP_AT));
  const cursor = new Cursor(unpacked(batch.subarray(RECORDS_AT), attributes & COMPRESSION));
  for (let read = 0; read < count; read++) {
    const length = cursor.varint();
    const end = cursor.at + length;
    cursor.skip(1);
    const delta_ms = cursor.varint();
    const offset = base + cursor.varint();
    if (offset >= from) {
      const key = cursor.bytes()?.toString('utf8') ?? '';
      const value = cursor.bytes() ?? EMPTY;
      const appended_us = 1000 * (append_ms ?? base_ms + delta_ms);
      records.push({ topic, partition, offset, key, value, appended_us });
    }
    cursor.skip(end - cursor.at);
  }
  return records;
}

function unpacked(bytes: Buffer, compression: number): Buffer {
  if (compression === 0) return bytes;
  if (compression !== GZIP) throw new Unreadable(`compressed by method ${compression}`);
  try {
    return gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX });
  } catch (cause) {
    throw new Unreadable('cannot be unpacked', { cause });
  }
}

/** The one record of a control batch: its key is a version i16 and a kind i16. */
function isAbort(batch: Buffer): boolean {
  const cursor = new Cursor(batch.subarray(RECORDS_AT));
  cursor.varint();
  cursor.skip(1);
  cursor.varint();
  cursor.varint();
  const key = cursor.bytes();
  return key !== null && key.length >= 4 && key.readInt16BE(2) === ABORT_MARKER;
}

class Cursor {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Exact up to 2^53, as every offset, length and time is. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined || scale > 2 ** 63) throw new Unreadable('a number has no end');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const from = this.at;
    this.skip(length);
    return this.#bytes.subarray(from, this.at);
  }

  skip(count: number): void {
    this.at += count;
    if (count < 0 || this.at > this.#bytes.length) throw new Unreadable('a record ends beyond its batch');
  }
}

function number(value: bigint): number {
  return Number(value);
}
