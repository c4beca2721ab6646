import type { LogRecord } from '../port.js';
import type { PartitionReader } from './partition-reader.js';

const WAIT_MS = 500;

/**
 * The latest record of every key of a partition of `state`. Two passes, since compaction leaves older records for a
 * while: the first keeps the offset of every key, the second gives the records. What is kept is keys, not values.
 *
 * Records up to the end at the time of the call count; wait for the former owner's transaction to end before.
 */
export async function* latestStates(reader: PartitionReader): AsyncGenerator<LogRecord> {
  const { first, end } = await reader.bounds();
  const latest = new Map<string, number>();
  for await (const { key, offset, value } of recordsOf(reader, first, end))
    if (value.length === 0) latest.delete(key);
    else latest.set(key, offset);
  for await (const record of recordsOf(reader, first, end))
    if (latest.get(record.key) === record.offset) yield record;
}

/** Committed records below `end`; waits for transactions that are open there. */
export async function* recordsOf(
  reader: PartitionReader,
  from: number,
  end: number,
): AsyncGenerator<LogRecord> {
  let at = from;
  while (at < end) {
    const { records, next } = await reader.fetch(at, WAIT_MS);
    for (const record of records) if (record.offset < end) yield record;
    at = next;
  }
}
