/**
 * The event log: ordered, durable, read by groups that each keep a position of their own.
 *
 * What every implementation promises:
 * - What `append` acknowledged survives a kill and a power loss.
 * - What a handler returns and the position of its group become visible together or not at all,
 *   so every output of a group is there exactly once, however often its process is killed.
 * - Offsets of a partition only grow. They may have holes.
 *
 * What only the log of one machine promises:
 * - `append` keeps one record of an id. Kafka knows no ids: what a forwarder sends again after a lost answer is there
 *   twice, and processors, which know the ids of events, take it in once.
 * - A batch of records and the checkpoints of their sources become visible together or not at all. There are no
 *   checkpoints on Kafka: they are the collector's, in the spool on its host.
 * - Nothing is dropped that a registered group has not consumed. Kafka drops what is older than the topic's retention;
 *   a group that comes too late goes on with the oldest record there is, and the log says so.
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

/** Takes records for good, without ids or checkpoints: where a forwarder sends to. */
export interface Appender {
  /**
   * All of them are acknowledged when it resolves; when it rejects, some may be there, and sending them again doubles
   * those. Records of one key stay in their order.
   *
   * @throws MA_RECORD_TOO_LARGE for a single record that the log does not take; those before it were acknowledged
   */
  appendTo(topic: Topic, records: readonly NewRecord[]): Promise<void>;
}

/**
 * The processor's side. Calls for one partition come one after the other; those for different partitions overlap.
 *
 * A partition can end and begin again at any time, with what was committed: when another process takes it over, or
 * when a commit failed. Nothing that a handler remembers beyond `state` survives that.
 */
export interface PartitionHandler {
  /** `state`: the latest `state` record of every key of the partition. It costs nothing until it is asked for. */
  begin(partition: number, state: AsyncIterable<LogRecord>): Promise<void>;
  /**
   * What it returns becomes visible together with the group's new position, or none of it. Outputs go to the partition
   * of the batch, whatever their keys are. The next call can come before this one's outputs are committed; batches are
   * committed in their order.
   *
   * @param batch of `partition`; empty when there was none for `idle_ms`
   */
  take(batch: readonly LogRecord[], partition: number): Promise<readonly Output[]>;
  end(partition: number): Promise<void>;
}

export interface ProcessOptions {
  group: string;
  topic: Topic;
  handler: PartitionHandler;
  /** where the outputs of the handler go: no others are taken */
  outputs: readonly Topic[];
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

/** Of a group in a topic. */
export interface Lag {
  records: number;
  /** null where the log does not count them */
  bytes: number | null;
}

/** Reads what there is, for whoever looks at a log and is no group. */
export interface Scanner {
  /** Committed records of the time of the call, each partition in its order. */
  scan(topic: Topic): AsyncIterable<LogRecord>;
}

/** What processors need of a log. */
export interface ProcessorLog {
  /** Runs until aborted. A handler that throws commits nothing of its batch, and the call rejects with its error. */
  process(options: ProcessOptions): Promise<void>;
  /** what the group has not consumed yet; a group never seen has consumed nothing */
  lag(group: string, topic: Topic): Lag | Promise<Lag>;
  /** Ends every `process`, waits for what is being written, and gives the connections or the directory free. */
  close(): Promise<void>;
}

/** The log of one machine, which is also its collector's spool. */
export interface EventLog extends Spool, Appender, Scanner, ProcessorLog {
  lag(group: string, topic: Topic): { records: number; bytes: number };
  statistics(): LogStatistics;
}
