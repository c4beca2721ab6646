/**
 * The event log: ordered, durable, read by groups that each keep a position of their own.
 *
 * What every implementation promises:
 * - What `append` acknowledged survives a kill and a power loss, and is kept once per id.
 * - A batch of records and the checkpoints of their sources become visible together or not at all.
 * - What a handler returns and the position of its group become visible together or not at all,
 *   so every output of a group is there exactly once, however often its process is killed.
 * - Offsets of a partition only grow. They may have holes.
 * - Nothing is dropped that a registered group has not consumed.
 */

export const TOPICS = ['events', 'timeline', 'findings', 'state', 'dead-letters'] as const;
export type Topic = (typeof TOPICS)[number];

export interface NewRecord {
  key: string;
  /** a `state` record with an empty value deletes its key */
  value: Buffer;
  /** content identity; the log keeps one record of an id, for at least as long as it keeps the record */
  id: string | null;
}

export interface LogRecord {
  topic: Topic;
  partition: number;
  offset: number;
  key: string;
  value: Buffer;
  /** when the log took it in, on the log's clock */
  appended_us: number;
}

export interface Appended {
  /** the offset after the last record of `events` that the log now holds */
  offsets_to: number;
  /** how many records of the batch were there already, by their id */
  duplicates: number;
}

/** The collector's side. */
export interface Spool {
  /**
   * Durable when it resolves; records (topic `events`) and checkpoints are one transaction.
   * @throws MA_LOG_FULL; nothing of the batch was kept then
   */
  append(batch: {
    records: readonly NewRecord[];
    checkpoints: ReadonlyMap<string, Buffer>;
  }): Promise<Appended>;
  /** How far the source was read, as last appended; null for a source never seen. */
  checkpoint(source: string): Buffer | null;
}

export interface Output {
  topic: Topic;
  record: NewRecord;
}

/** The processor's side. */
export interface PartitionHandler {
  /** `state`: the latest `state` record of every key of the partition */
  begin(partition: number, state: AsyncIterable<LogRecord>): Promise<void>;
  /** What it returns becomes visible together with the group's new position, or none of it. */
  take(batch: readonly LogRecord[]): Promise<readonly Output[]>;
  end(partition: number): Promise<void>;
}

export interface ProcessOptions {
  group: string;
  topic: Topic;
  handler: PartitionHandler;
  signal: AbortSignal;
  batch_records_max: number;
  /** a single record above this still comes, alone */
  batch_bytes_max: number;
  /** longest wait before take([]) is called on an idle partition, for time-driven work; null: never */
  idle_ms: number | null;
}

export interface TopicStatistics {
  records: number;
  /** keys and values, without the cost of storing them */
  bytes: number;
  /** equal to `next_offset` when the topic holds nothing */
  oldest_offset: number;
  next_offset: number;
}

export interface LogStatistics {
  topics: Record<Topic, TopicStatistics>;
  disk_bytes: number;
}

export interface EventLog extends Spool {
  /** Runs until aborted. A handler that throws commits nothing of its batch, and the call rejects with its error. */
  process(options: ProcessOptions): Promise<void>;
  /** what the group has not consumed yet; a group never seen has consumed nothing */
  lag(group: string, topic: Topic): { records: number; bytes: number };
  statistics(): LogStatistics;
  /** Ends every `process`, waits for what is being written, and gives the directory free. */
  close(): Promise<void>;
}
