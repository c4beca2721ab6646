import type { FindingReport, RelabelReport } from '../domain/report.js';
import type { DeadLetterReason } from '../eventlog/dead-letter.js';
import type { Instruments } from '../telemetry/metrics.js';
import type { Cluster } from './cluster.js';
import type { Saying } from './said.js';
import type { Round } from './settling.js';

const SEVERITIES = ['critical', 'warning', 'info'] as const;

/** The processor's metrics. A batch whose commit fails is counted all the same, and again when it is repeated. */
export class Tally {
  readonly #of: Instruments;

  constructor(of: Instruments) {
    this.#of = of;
  }

  events(count: number): void {
    this.#of.correlate_events_total.inc(count);
  }

  deadLetter(reason: DeadLetterReason): void {
    this.#of.dead_letters_total.inc({ reason });
  }

  saying({ conclusion, item, verdict_before, isFirst }: Saying): void {
    if (item === null) return;
    if (conclusion.table === 'findings' && isFirst) {
      const { cause, verdict } = item.item as FindingReport;
      this.#of.findings_total.inc({ cause, verdict });
    }
    if (conclusion.table === 'relabels' && verdict_before !== null) {
      const { verdict } = item.item as RelabelReport;
      if (verdict !== verdict_before) this.#of.verdict_revisions_total.inc({ verdict });
    }
  }

  dropped(relabels: number): void {
    this.#of.dropped_relabels_total.inc(relabels);
  }

  late(events: number): void {
    this.#of.late_events_total.inc(events);
  }

  letGo({ events, remains }: Round): void {
    this.#of.settled_events_total.inc(events);
    this.#of.forgotten_guests_total.inc(remains);
  }

  /** What holds of all clusters of this process. */
  clusters(clusters: readonly Cluster[]): void {
    const sum = (of: (cluster: Cluster) => number) => clusters.reduce((total, each) => total + of(each), 0);
    this.#of.guests.set(sum(({ guests }) => guests));
    this.#of.state_bytes.set(sum(({ bytes }) => bytes));
    this.#of.waiting_relabels.set(sum(({ waiting }) => waiting.size));
    this.#openFindings(clusters);
    this.#hosts(clusters);
  }

  #openFindings(clusters: readonly Cluster[]): void {
    const open = new Map<string, number>();
    for (const { said } of clusters)
      for (const severity of said.open()) open.set(severity, (open.get(severity) ?? 0) + 1);
    for (const severity of SEVERITIES) this.#of.open_findings.set({ severity }, open.get(severity) ?? 0);
  }

  #hosts(clusters: readonly Cluster[]): void {
    const waiting = new Map<string, number>();
    for (const { said, watermarks } of clusters) {
      for (const [host, verdicts] of said.waiting()) waiting.set(host, (waiting.get(host) ?? 0) + verdicts);
      for (const [host, { own_us, true_us }] of watermarks.moved()) {
        this.#of.watermark_timestamp_seconds.set({ host }, own_us / 1e6);
        if (true_us !== null) this.#of.clock_offset_seconds.set({ host }, (own_us - true_us) / 1e6);
      }
    }
    this.#of.provisional_verdicts.reset(); // hosts for which nothing waits any more are not shown
    for (const [host, verdicts] of waiting) this.#of.provisional_verdicts.set({ host }, verdicts);
  }
}
