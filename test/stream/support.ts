import { pino } from 'pino';
import type { Report } from '../../src/domain/report.js';
import type { LogRecord, Output } from '../../src/eventlog/port.js';
import { decodeConclusion, encodeEvent } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import type { Conclusion } from '../../src/events/topic-records.js';
import type { ClusterOptions } from '../../src/stream/cluster.js';
import { Processor } from '../../src/stream/processor.js';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.js';

/** Nothing is let go within any history of a test. */
export const KEEPS_ALL = { keep_settled_us: 1e15, state_bytes_max: Number.MAX_SAFE_INTEGER };

/** A processor on a partition in memory: what it puts out is kept as a log would keep it. */
export class Partition {
  readonly outputs: Output[] = [];
  readonly state = new Map<string, Buffer>();
  readonly metrics: Metrics = createMetrics({ version: 'test', parts: ['correlate', 'event log'] });
  readonly #options: Partial<ClusterOptions>;
  #processor: Processor;
  #offset = 0;

  constructor(options: Partial<ClusterOptions> = {}) {
    this.#options = options;
    this.#processor = this.#newProcessor();
  }

  #newProcessor(): Processor {
    return new Processor({
      correlator: {},
      waiting_bytes_max: 64 << 20,
      ...KEEPS_ALL,
      ...this.#options,
      metrics: this.metrics,
      logger: pino({ level: 'silent' }),
    });
  }

  /** Forgets everything but what was put out. */
  async restart(): Promise<void> {
    this.#processor = this.#newProcessor();
    await this.#processor.begin(0, this.#states());
  }

  async *#states(): AsyncGenerator<LogRecord> {
    let offset = 0;
    for (const [key, value] of this.state)
      yield { topic: 'state', partition: 0, offset: offset++, key, value, appended_us: 0 };
  }

  /** Returns what this batch put out. */
  async takeBytes(values: readonly Buffer[]): Promise<readonly Output[]> {
    const batch = values.map(
      (value): LogRecord => ({
        topic: 'events',
        partition: 0,
        offset: this.#offset++,
        key: 'lab',
        value,
        appended_us: 1,
      }),
    );
    const outputs = await this.#processor.take(batch);
    this.outputs.push(...outputs);
    for (const { topic, record } of outputs) {
      if (topic !== 'state') continue;
      if (record.value.length === 0) this.state.delete(record.key);
      else this.state.set(record.key, record.value);
    }
    return outputs;
  }

  async take(events: readonly Event[]): Promise<Conclusion[]> {
    return conclusionsIn(await this.takeBytes(events.map(encodeEvent)));
  }

  /** Of each item the last conclusion, by table and id. */
  said(): Map<string, Conclusion> {
    const said = new Map<string, Conclusion>();
    for (const conclusion of conclusionsIn(this.outputs)) said.set(nameOf(conclusion), conclusion);
    return said;
  }

  /** What holds in the end, free of how often it was said. */
  holds(): Map<string, Omit<Conclusion, 'revision' | 'version' | 'item'> & { item: unknown }> {
    const holding = [...this.said()].filter(([, { retracted }]) => !retracted);
    return new Map(holding.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, said]) => [name, bare(said)]));
  }
}

export function conclusionsIn(outputs: readonly Output[]): Conclusion[] {
  return outputs
    .filter(({ topic }) => topic === 'timeline' || topic === 'findings')
    .map(({ record }) => decodeConclusion(record.value));
}

export function nameOf({ cluster, table, id }: Conclusion): string {
  return JSON.stringify([cluster, table, id]);
}

function bare({ revision: _, version: __, ...said }: Conclusion) {
  return { ...said, item: itemOf(said) };
}

export function itemOf({ item }: Pick<Conclusion, 'item'>): Record<string, unknown> {
  const { revision: _, ...parsed } = JSON.parse(item.toString());
  return parsed;
}

/** The items of the tables of a report, as the processor would say them. */
export function itemsOf(report: Report): { [T in keyof Report]: unknown[] } {
  const bareItems = (items: readonly object[]) =>
    items.map((item) => itemOf({ item: Buffer.from(JSON.stringify(item)) }));
  return {
    hosts: bareItems(report.hosts),
    migrations: bareItems(report.migrations),
    relabels: bareItems(report.relabels),
    findings: bareItems(report.findings),
    timeline: bareItems(report.timeline),
  };
}
