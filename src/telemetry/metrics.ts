import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { METRIC_PREFIX, METRICS, type MetricFacts, type MetricName, type MetricsOf } from './metric-table.js';

/** The instruments of a process, by their names without prefix: `metrics.of.read_lines_total.inc({ stream })`. */
export interface Metrics {
  readonly of: Instruments;
  readonly contentType: string;
  /** everything in the text format of Prometheus */
  text(): Promise<string>;
}

export type Instruments = { readonly [N in MetricName]: InstrumentOf<(typeof METRICS)[N]> };

type InstrumentOf<F extends MetricFacts> = F['type'] extends 'counter'
  ? Counter<LabelOf<F>>
  : F['type'] extends 'gauge'
    ? Gauge<LabelOf<F>>
    : Histogram<LabelOf<F>>;
type LabelOf<F extends MetricFacts> = keyof F['labels'] & string;

export interface MetricsOptions {
  version: string;
  /** whose metrics are shown; those of the others can be set and are not seen */
  parts: readonly Exclude<MetricsOf, 'every role'>[];
}

/** Longer than a hypervisor's metrics are worth waking for. */
const EVENT_LOOP_SAMPLE_MS = 100;

/** From a local commit to a server that is in trouble, s. */
const DURATION_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A registry of its own for each call: nothing is shared between processes' parts, or tests. */
export function createMetrics({ version, parts }: MetricsOptions): Metrics {
  const registry = new Registry();
  const shown = new Set<MetricsOf>(['every role', ...parts]);
  const of = Object.fromEntries(
    Object.entries(METRICS).map(([name, facts]) => [
      name,
      instrument(name, facts, shown.has(facts.of) ? [registry] : []),
    ]),
  ) as unknown as Instruments;
  of.build_info.set({ version, node: process.versions.node }, 1);
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  return { of, contentType: registry.contentType, text: () => registry.metrics() };
}

function instrument(name: string, facts: MetricFacts, registers: Registry[]): Counter | Gauge | Histogram {
  const labelNames = Object.keys(facts.labels);
  const options = { name: METRIC_PREFIX + name, help: facts.help, labelNames, registers };
  switch (facts.type) {
    case 'gauge':
      return new Gauge(options);
    case 'histogram':
      return new Histogram({ ...options, buckets: DURATION_BUCKETS_S });
    case 'counter': {
      const counter = new Counter(options);
      for (const labels of combinations(Object.entries(facts.labels))) counter.inc(labels, 0);
      return counter;
    }
  }
}

/**
 * Every series that is known beforehand, so that the first thing counted is seen as an increase. None when a label is
 * open.
 */
function combinations(labels: readonly [string, readonly string[] | null][]): Record<string, string>[] {
  return labels.reduce<Record<string, string>[]>(
    (series, [label, values]) =>
      (values ?? []).flatMap((value) => series.map((others) => ({ ...others, [label]: value }))),
    [{}],
  );
}
