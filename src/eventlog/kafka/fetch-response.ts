import { MigrationAuditError } from '../../domain/errors.js';
import type { AbortedTransaction } from './record-batch.js';

/** The answer to a fetch of one partition, its records still packed. */
export interface FetchedPartition {
  /** 0, or a code of Kafka's protocol */
  error_code: number;
  aborted: AbortedTransaction[];
  record_batches: Buffer;
}

/**
 * Fetch response, version 11, to a request for one partition:
 *
 *     throttle time ms i32 | error code i16 | session id i32 | topics [ name | partitions [ partition i32 |
 *     error code i16 | high watermark i64 | last stable offset i64 | log start offset i64 |
 *     aborted [ producer id i64 | first offset i64 ] | preferred replica i32 | bytes ] ]
 *
 * Arrays and bytes begin with their length i32 (-1: null), names with an i16. Where a quota has the client wait there is
 * no topic, and the next request is what gets the records.
 *
 * @throws MA_LOG_DAMAGED
 */
export function readFetchResponse(payload: Buffer): FetchedPartition {
  try {
    return read(payload);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new MigrationAuditError('MA_LOG_DAMAGED', 'an answer to a fetch', 'it is cut short', { cause });
  }
}

function read(payload: Buffer): FetchedPartition {
  const nothing = { aborted: [], record_batches: payload.subarray(0, 0) };
  const error_code = payload.readInt16BE(4);
  if (error_code !== 0) return { error_code, ...nothing };
  let at = 10;
  const topics = payload.readInt32BE(at);
  if (topics === 0) return { error_code, ...nothing };
  if (topics !== 1) throw new RangeError('not one topic');
  at += 4;
  at += 2 + payload.readInt16BE(at);
  if (payload.readInt32BE(at) !== 1) throw new RangeError('not one partition');
  at += 8;
  const partition_error = payload.readInt16BE(at);
  at += 26;
  const aborted: AbortedTransaction[] = [];
  const aborted_count = payload.readInt32BE(at);
  at += 4;
  for (let read = 0; read < aborted_count; read++, at += 16)
    aborted.push({
      producer: payload.readBigInt64BE(at),
      first_offset: Number(payload.readBigInt64BE(at + 8)),
    });
  at += 4;
  const length = Math.max(0, payload.readInt32BE(at));
  at += 4;
  if (at + length > payload.length) throw new RangeError('cut short');
  return {
    error_code: partition_error,
    aborted,
    record_batches: payload.subarray(at, at + length),
  };
}
