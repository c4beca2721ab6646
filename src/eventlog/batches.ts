import type { LogRecord } from './port.js';

/** In their order, in batches within the limits; a single record above the limit of bytes stands alone. */
export function* batchesOf(
  records: readonly LogRecord[],
  limits: { batch_records_max: number; batch_bytes_max: number },
): Generator<readonly LogRecord[]> {
  let from = 0;
  let bytes = 0;
  for (const [index, { key, value }] of records.entries()) {
    const size = key.length + value.length;
    if (index > from && (bytes + size > limits.batch_bytes_max || index - from >= limits.batch_records_max)) {
      yield records.slice(from, index);
      from = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < records.length) yield records.slice(from);
}
