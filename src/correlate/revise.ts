import {
  type FindingReport,
  type GuestRef,
  type HostReport,
  type MigrationReport,
  type RelabelReport,
  type TimelineEntry,
  timelineId,
} from '../domain/report.js';
import type { EventOf } from '../events/event.js';
import { alignClocks } from './clock-alignment.js';
import type { Cluster } from './cluster.js';
import type { CorrelatorState } from './correlate.js';
import { type Family, nothingTold } from './family.js';
import type { FileCall } from './file-call.js';
import { addTo, compareCalls, type GuestConclusions, isWorse, judgeFamily } from './judge-family.js';

/**
 * What is to be said otherwise of one cluster since the last revision: all that is concluded of the families that were
 * judged again, whether it changed or not. Put into a map by id one after the other, less what is gone, revisions give
 * what `decide` gives of the same events; only the order of a report is not in them.
 */
export interface Revision {
  cluster: string;
  /** all hosts of the cluster */
  hosts: HostReport[];
  migrations: MigrationReport[];
  relabels: RelabelReport[];
  findings: FindingReport[];
  /** each guest's in the order of the aligned clocks, as they are known by now */
  timeline: TimelineEntry[];
  /** ids of what was said before and is not said any more; of timeline entries see `timelineId` */
  /** calls that were found to be of guests whose events of that time had been let go */
  late: { event: EventOf<'RelabelObserved'>; guest: GuestRef }[];
  gone: { migrations: string[]; relabels: string[]; findings: string[]; timeline: string[] };
}

/** Judges what the events taken in since the last call can have changed: a revision for each cluster concerned. */
export function revise(state: CorrelatorState): Revision[] {
  const revisions: Revision[] = [];
  for (const name of [...state.clusters.keys()].sort()) {
    const revision = reviseCluster(state.clusters.get(name) as Cluster);
    if (revision !== null) revisions.push(revision);
  }
  return revisions;
}

function reviseCluster(cluster: Cluster): Revision | null {
  const isNew = cluster.settle();
  if (!isNew && cluster.dirty.size === 0) return null;
  const evidence = cluster.evidence();
  const revision: Revision = {
    cluster: cluster.name,
    hosts: cluster.hostReports(),
    migrations: [],
    relabels: [],
    findings: [],
    timeline: [],
    late: [],
    gone: { migrations: [], relabels: [], findings: [], timeline: [] },
  };
  const touched = new Set<FileCall>();
  const judged = [...cluster.dirty].map((family) => ({ family, guests: judgeFamily(family, evidence) }));
  cluster.dirty.clear();
  for (const { family, guests } of judged)
    cluster.clocks.set(
      family,
      guests.map(({ bounds }) => bounds),
    );
  const offsets = alignClocks(cluster.hostNames(), cluster.clocks.together);
  const { isRevised } = cluster;
  cluster.isRevised = true;
  for (const { family, guests } of judged) tell(family, guests, offsets, revision, touched, isRevised);
  for (const call of [...touched].sort(compareCalls)) tellCall(call, revision);
  return revision;
}

function tell(
  family: Family,
  guests: readonly GuestConclusions[],
  offsets: ReadonlyMap<string, number>,
  revision: Revision,
  touched: Set<FileCall>,
  isRevised: boolean,
): void {
  const former = family.told;
  const told = nothingTold();
  for (const guest of guests) {
    for (const { id } of guest.migrations) told.migrations.add(id);
    for (const { id } of guest.findings) told.findings.add(id);
    const events = new Set(guest.timeline.map(({ entry }) => entry.event));
    told.timeline.set(guest.key, { guest: guest.ref, events });
    addTo(revision, guest, offsets);
    for (const call of guest.over) {
      if (!call.isOver && isRevised) revision.late.push({ event: call.event, guest: guest.ref });
      call.isOver = true;
    }
  }
  const { gone } = revision;
  for (const kind of ['migrations', 'findings'] as const)
    for (const id of former[kind]) if (!told[kind].has(id)) gone[kind].push(id);
  for (const [key, { guest, events }] of former.timeline) {
    const now = told.timeline.get(key)?.events;
    for (const event of events) if (!now?.has(event)) gone.timeline.push(timelineId({ event, guest }));
  }
  for (const call of former.calls) {
    touched.add(call);
    for (const [key, row] of call.rows) if (row.family === family) call.rows.delete(key);
  }
  for (const { key, relabels } of guests) {
    for (const { call, report } of relabels) {
      call.rows.set(key, { family, report });
      told.calls.add(call);
      touched.add(call);
    }
  }
  family.told = told;
}

function tellCall(call: FileCall, revision: Revision): void {
  let worst: { key: string; report: RelabelReport } | null = null;
  for (const [key, { report }] of call.rows) {
    const isFirst = worst === null || isWorse(report, worst.report);
    if (isFirst || (worst !== null && !isWorse(worst.report, report) && key < worst.key))
      worst = { key, report };
  }
  if (worst !== null) revision.relabels.push(worst.report);
  else if (call.isTold) revision.gone.relabels.push(call.event.id);
  call.isTold = worst !== null;
}

/**
 * Time up to which all streams of each host have said everything, by its own clock, as its heartbeats tell; hosts that
 * sent none are left out; µs.
 */
export function watermarks(state: CorrelatorState, cluster: string): Map<string, number> {
  return state.clusters.get(cluster)?.watermarks() ?? new Map();
}

/**
 * What has to be known before the verdicts about a guest are final: for every host of the cluster the time that its
 * watermark has to pass, µs on its own clock.
 *
 * Any host may yet send a record that names the guest or touches its images, so all of them count. A host that has
 * named it counts from its last event about it. Of one that never did nothing is known but that it may be about to,
 * and no clock can be asked when: it has to have passed, on its own clock, the latest stamp that any host gave to an
 * event about the guest. Where its clock is ahead that is too early by the difference, and what then comes late revises
 * the verdict as everything late does. This decides when a verdict is called final, never what it is.
 */
export function restsOn(state: CorrelatorState, cluster: string, guest: GuestRef): Map<string, number> {
  return state.clusters.get(cluster)?.restsOn(guest) ?? new Map();
}
