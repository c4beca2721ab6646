import type { Logger } from 'pino';
import { getOrMake } from '../domain/group.js';
import { deadLetter, reasonOf } from '../eventlog/dead-letter.js';
import type { LogRecord, Output, PartitionHandler } from '../eventlog/port.js';
import { decodeEvent } from '../events/codec.js';
import type { Metrics } from '../telemetry/metrics.js';
import { type Arrived, Cluster, type ClusterOptions, type Taken } from './cluster.js';
import type { Round } from './settling.js';
import { readState } from './state-records.js';
import { Tally } from './tally.js';

export const CORRELATE_GROUP = 'correlate';

export interface ProcessorOptions extends ClusterOptions {
  metrics: Metrics;
  logger: Logger;
  /** a partition is restored and is being read */
  onBegun?: () => void;
}

/**
 * The correlator over the topic `events`. Its outputs, its changelog and the position of its group are one transaction
 * of the event log: so each conclusion is published once, however often a process is killed in between.
 *
 * What it holds in memory runs ahead of the log while a batch is being committed. When that fails the log ends the
 * partition, and whoever begins it again restores what was committed.
 */
export class Processor implements PartitionHandler {
  readonly #options: ProcessorOptions;
  readonly #partitions = new Map<number, Map<string, Cluster>>();
  readonly #tally: Tally;

  constructor(options: ProcessorOptions) {
    this.#options = options;
    this.#tally = new Tally(options.metrics.of);
  }

  async begin(partition: number, state: AsyncIterable<LogRecord>): Promise<void> {
    const clusters = new Map<string, Cluster>();
    let records = 0;
    for await (const { key, value } of state) {
      const record = readState(key, value);
      this.#cluster(clusters, record.cluster).restore(record);
      records++;
    }
    this.#partitions.set(partition, clusters);
    this.#options.logger.info({ partition, clusters: clusters.size, records }, 'restored');
    this.#options.onBegun?.();
  }

  async take(batch: readonly LogRecord[]): Promise<readonly Output[]> {
    const end = this.#options.metrics.of.correlate_duration_seconds.startTimer();
    const outputs: Output[] = [];
    const arrived = new Map<Cluster, Arrived[]>();
    for (const record of batch) {
      const event = this.#decoded(record, outputs);
      if (event === null) continue;
      const cluster = this.#cluster(this.#clustersOf(record.partition), event.cluster);
      getOrMake(arrived, cluster, () => []).push({ event, bytes: record.value });
    }
    for (const cluster of this.#clusters()) if (cluster.isUnjudged) getOrMake(arrived, cluster, () => []);
    for (const [cluster, events] of arrived) {
      const taken = cluster.take(events);
      for (const output of taken.outputs) outputs.push(output);
      this.#count(cluster, taken);
    }
    this.#tally.events(batch.length);
    if (arrived.size > 0) this.#tally.clusters([...this.#clusters()]);
    end();
    return outputs;
  }

  async end(partition: number): Promise<void> {
    this.#partitions.delete(partition);
  }

  #decoded(record: LogRecord, outputs: Output[]) {
    try {
      return decodeEvent(record.value);
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === null) throw error;
      const { topic, partition, offset } = record;
      this.#options.logger.warn({ err: error, topic, partition, offset }, 'a record went to dead-letters');
      this.#tally.deadLetter(reason);
      outputs.push(deadLetter(CORRELATE_GROUP, reason, record, (error as Error).message));
      return null;
    }
  }

  #count({ name }: Cluster, { sayings, dropped, late, round }: Taken): void {
    for (const saying of sayings) this.#tally.saying(saying);
    if (late > 0) this.#tally.late(late);
    if (round !== null) this.#countRound(name, round);
    if (dropped.length === 0) return;
    this.#tally.dropped(dropped.length);
    this.#options.logger.warn(
      { relabels: dropped.length },
      'dropped relabels of files that nothing tied to a guest',
    );
  }

  #countRound(cluster: string, round: Round): void {
    const { events, remains, bytes, isOverfull } = round;
    this.#tally.letGo(round);
    if (events > 0) this.#options.logger.info({ cluster, events, bytes }, 'let go of settled events');
    if (remains > 0)
      this.#options.logger.warn(
        { cluster, guests: remains },
        'forgot guests of which events had been let go',
      );
    if (isOverfull)
      this.#options.logger.warn(
        { cluster, bytes, state_bytes_max: this.#options.state_bytes_max },
        'the events that are not settled take more memory than they may',
      );
  }

  #clustersOf(partition: number): Map<string, Cluster> {
    const clusters = this.#partitions.get(partition);
    if (clusters === undefined) throw new Error(`partition ${partition} was not begun`);
    return clusters;
  }

  #cluster(clusters: Map<string, Cluster>, name: string): Cluster {
    return getOrMake(clusters, name, () => new Cluster(name, this.#options));
  }

  *#clusters(): Iterable<Cluster> {
    for (const clusters of this.#partitions.values()) yield* clusters.values();
  }
}
