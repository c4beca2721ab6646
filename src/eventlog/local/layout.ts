import { createHash } from 'node:crypto';
import { MigrationAuditError } from '../../domain/errors.js';
import { crc32c } from '../crc32c.js';
import type { NewRecord, Topic } from '../port.js';
import { TOPICS } from '../port.js';

/** The bytes of keys and values in LMDB; numbers are big-endian, so that keys sort by them. */

const OFFSET_BYTES = 6;
const CRC_BYTES = 4;
const HEADER_BYTES = CRC_BYTES + 8 + 8 + 4 + 4;
const NO_ID = 0xffff_ffff;
/** LMDB refuses longer keys than 1978 bytes; what is longer than this goes by its hash */
const NAME_BYTES_MAX = 512;

export interface Stored {
  key: string;
  id: string | null;
  value: Buffer;
  appended_us: number;
  /** bytes of all records of the topic before this one, ever */
  bytes_before: number;
}

export function recordKey(topic: Topic, offset: number): Buffer {
  const key = Buffer.allocUnsafe(1 + OFFSET_BYTES);
  key[0] = TOPICS.indexOf(topic);
  key.writeUIntBE(offset, 1, OFFSET_BYTES);
  return key;
}

export function offsetOf(recordKey: Uint8Array): number {
  return Buffer.from(recordKey).readUIntBE(1, OFFSET_BYTES);
}

/** A key for free text of any length, in a space of its own per prefix. */
export function nameKey(prefix: string, name: string): Buffer {
  return Buffer.byteLength(name) <= NAME_BYTES_MAX
    ? Buffer.from(`${prefix}=${name}`)
    : Buffer.concat([Buffer.from(`${prefix}#`), createHash('sha256').update(name).digest()]);
}

/** What a record counts for against `bytes_max`. */
export function sizeOf(record: NewRecord): number {
  return Buffer.byteLength(record.key) + Buffer.byteLength(record.id ?? '') + record.value.length;
}

/**
 * crc u32 | appended_us f64 | bytes_before f64 | key bytes u32 | id bytes u32 (all ones: no id) | key | id | value.
 * The checksum also covers where the record stands, so that a record at another offset is damage too.
 */
export function encodeRecord(place: Buffer, record: NewRecord, appended_us: number, before: number): Buffer {
  const keyBytes = Buffer.byteLength(record.key);
  const idBytes = record.id === null ? 0 : Buffer.byteLength(record.id);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + keyBytes + idBytes + record.value.length);
  bytes.writeDoubleBE(appended_us, CRC_BYTES);
  bytes.writeDoubleBE(before, CRC_BYTES + 8);
  bytes.writeUInt32BE(keyBytes, CRC_BYTES + 16);
  bytes.writeUInt32BE(record.id === null ? NO_ID : idBytes, CRC_BYTES + 20);
  bytes.write(record.key, HEADER_BYTES);
  if (record.id !== null) bytes.write(record.id, HEADER_BYTES + keyBytes);
  record.value.copy(bytes, HEADER_BYTES + keyBytes + idBytes);
  bytes.writeUInt32BE(crc32c(bytes.subarray(CRC_BYTES), crc32c(place)), 0);
  return bytes;
}

/** @throws MA_LOG_DAMAGED */
export function decodeRecord(topic: Topic, offset: number, bytes: Buffer | undefined): Stored {
  const body = checked(recordKey(topic, offset), bytes, `topic ${topic}, offset ${offset}`);
  const keyEnd = 24 + body.readUInt32BE(16);
  const idBytes = body.readUInt32BE(20);
  const idEnd = keyEnd + (idBytes === NO_ID ? 0 : idBytes);
  return {
    appended_us: body.readDoubleBE(0),
    bytes_before: body.readDoubleBE(8),
    key: body.toString('utf8', 24, keyEnd),
    id: idBytes === NO_ID ? null : body.toString('utf8', keyEnd, idEnd),
    value: body.subarray(idEnd),
  };
}

/** Any other value, behind a checksum that also covers its key. */
export function seal(key: Buffer, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(CRC_BYTES + body.length);
  bytes.set(body, CRC_BYTES);
  bytes.writeUInt32BE(crc32c(body, crc32c(key)), 0);
  return bytes;
}

/** @throws MA_LOG_DAMAGED, naming `what` */
export function checked(key: Buffer, bytes: Buffer | undefined, what: string): Buffer {
  if (bytes === undefined) throw new MigrationAuditError('MA_LOG_DAMAGED', what, 'it is missing');
  const body = bytes.subarray(CRC_BYTES);
  if (bytes.length < CRC_BYTES || crc32c(body, crc32c(key)) !== bytes.readUInt32BE(0))
    throw new MigrationAuditError('MA_LOG_DAMAGED', what, 'its checksum is wrong');
  return body;
}
