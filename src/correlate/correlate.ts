import { getOrMake } from '../domain/group.js';
import type { FindingReport, RelabelReport, Report } from '../domain/report.js';
import type { Severity } from '../domain/verdict.js';
import type { Event } from '../events/event.js';
import { alignClocks } from './clock-alignment.js';
import { ClockBounds } from './clock-bounds.js';
import { Cluster } from './cluster.js';
import type { Entry } from './entry.js';
import type { FileCall } from './file-call.js';
import { addTo, compareCalls, type GuestConclusions, isWorse, judgeFamily } from './judge-family.js';
import { Remains } from './remains.js';

/**
 * The pure core: events in, report out. No I/O, no clock. The report is a function of the set of events: their
 * order of arrival, repetition and grouping do not matter, nor does what was reported in between.
 *
 * `decide` says everything, for a replay; `revise` (revise.ts) says what has changed, for a stream.
 */
export interface CorrelatorOptions {
  /** directories whose storage is shared, or of one host alone, against what the mount says */
  sharedPaths?: readonly string[];
  localPaths?: readonly string[];
}

export interface CorrelatorState {
  readonly options: CorrelatorOptions;
  readonly entries: Map<string, Entry>;
  readonly clusters: Map<string, Cluster>;
  /** of events that were let go; a state that judges several clusters has none */
  readonly remains: Remains;
}

export function createState(options: CorrelatorOptions = {}, remains = new Remains()): CorrelatorState {
  return { options, entries: new Map(), clusters: new Map(), remains };
}

/** Takes one event in. The state is changed in place; the same event again changes nothing. */
export function evolve(state: CorrelatorState, event: Event): void {
  const known = state.entries.get(event.id);
  if (known === undefined) {
    const entry: Entry = { event, time: Number.NaN, order: 0 };
    state.entries.set(event.id, entry);
    clusterOf(state, event.cluster).add(entry);
  } else if (compareCopies(event, known.event) < 0) {
    // the ENRICHED and the RAW form of one event, or two cuts of one log, differ in witness and sequence only
    known.event = event;
    clusterOf(state, event.cluster).replace(known);
  }
}

function clusterOf({ clusters, options, remains }: CorrelatorState, name: string): Cluster {
  const { sharedPaths = [], localPaths = [] } = options;
  return getOrMake(clusters, name, () => new Cluster(name, { sharedPaths, localPaths }, remains));
}

function compareCopies(a: Event, b: Event): number {
  return (
    b.witness.length - a.witness.length || a.sequence - b.sequence || Buffer.compare(a.witness, b.witness)
  );
}

/**
 * What the state was made of, each event once: it is a function of these alone, so taking them in again gives it back.
 */
export function* retained(state: CorrelatorState): Iterable<Event> {
  for (const { event } of state.entries.values()) yield event;
}

/** Everything that can be said about the events taken in so far; each cluster is a world of its own. */
export function decide(state: CorrelatorState): Report {
  const report: Report = { hosts: [], migrations: [], relabels: [], findings: [], timeline: [] };
  for (const name of [...state.clusters.keys()].sort())
    decideCluster(state.clusters.get(name) as Cluster, report);
  report.findings.sort(byUrgency);
  return report;
}

function decideCluster(cluster: Cluster, report: Report): void {
  cluster.settle();
  const evidence = cluster.evidence();
  const guests: GuestConclusions[] = [];
  for (const family of cluster.families.all) guests.push(...judgeFamily(family, evidence));
  guests.sort((a, b) => (a.key < b.key ? -1 : 1));
  const clocks = new ClockBounds();
  for (const { bounds } of guests) clocks.meet(bounds);
  const offsets = alignClocks(cluster.hostNames(), clocks);
  report.hosts.push(...cluster.hostReports());
  const worst = new Map<FileCall, RelabelReport>();
  for (const guest of guests) {
    addTo(report, guest, offsets);
    for (const { call, report: row } of guest.relabels) {
      const known = worst.get(call);
      if (known === undefined || isWorse(row, known)) worst.set(call, row);
    }
  }
  for (const call of [...worst.keys()].sort(compareCalls))
    report.relabels.push(worst.get(call) as RelabelReport);
}

const SEVERITY_RANK: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

function byUrgency(a: FindingReport, b: FindingReport): number {
  return SEVERITY_RANK[a.severity] - SEVERITY_RANK[b.severity] || (a.id < b.id ? -1 : 1);
}
