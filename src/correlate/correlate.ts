import { getOrMake, groupBy } from '../domain/group.js';
import type { FindingReport, GuestRef, HostReport, RelabelReport, Report } from '../domain/report.js';
import type { Severity, Verdict } from '../domain/verdict.js';
import type { Event } from '../events/event.js';
import { alignClocks } from './clock-alignment.js';
import { GuestCustody } from './custody.js';
import { relabelFindings } from './findings.js';
import { GuestNames, guestsNamedBy } from './guest-names.js';
import type { GuestView } from './guest-view.js';
import { buildHostRecord, type HostRecord } from './host-record.js';
import type { ImageCall } from './image-call.js';
import { type ImageFile, ImageMap, type ImageUse } from './images.js';
import { sufferingOf } from './impact.js';
import { readGuestRecord } from './incarnation-reader.js';
import { isDoubtful, type Judgement, judge, judgeUnlisted, relabelReport } from './judge.js';
import { withLabelsSeenAfter } from './labels-seen-after.js';
import { migrationsOf } from './migrations.js';
import { StorageMap } from './storage.js';
import { suspicions, unprovenAnnouncements, unrecognisedStorage } from './suspicions.js';
import { guestTimeline } from './timeline.js';

/**
 * The pure core: events in, report out. No I/O, no clock. The report is a function of the set of events: their
 * order of arrival, repetition and grouping do not matter.
 */
export interface CorrelatorOptions {
  /** directories whose storage is shared, or of one host alone, against what the mount says */
  sharedPaths?: readonly string[];
  localPaths?: readonly string[];
}

export interface CorrelatorState {
  readonly options: CorrelatorOptions;
  readonly events: Map<string, Event>;
}

export function createState(options: CorrelatorOptions = {}): CorrelatorState {
  return { options, events: new Map() };
}

/** Takes one event in. The state is changed in place; the same event again changes nothing. */
export function evolve(state: CorrelatorState, event: Event): void {
  const known = state.events.get(event.id);
  // the ENRICHED and the RAW form of one event, or two cuts of one log, differ in witness and sequence only
  if (known === undefined || compareCopies(event, known) < 0) state.events.set(event.id, event);
}

function compareCopies(a: Event, b: Event): number {
  return (
    b.witness.length - a.witness.length || a.sequence - b.sequence || Buffer.compare(a.witness, b.witness)
  );
}

/** Everything that can be said about the events taken in so far; each cluster is a world of its own. */
export function decide(state: CorrelatorState): Report {
  const byCluster = groupBy(state.events.values(), (event) => event.cluster);
  const reports = [...byCluster.keys()]
    .sort()
    .map((cluster) => decideCluster(byCluster.get(cluster) as Event[], state.options));
  return {
    hosts: reports.flatMap((report) => report.hosts),
    migrations: reports.flatMap((report) => report.migrations),
    relabels: reports.flatMap((report) => report.relabels),
    findings: reports.flatMap((report) => report.findings).sort(byUrgency),
    timeline: reports.flatMap((report) => report.timeline),
  };
}

function decideCluster(events: readonly Event[], options: CorrelatorOptions): Report {
  const records = recordsOf(events);
  const names = new GuestNames([...records.values()]);
  const storages = new StorageMap(records, {
    sharedPaths: options.sharedPaths ?? [],
    localPaths: options.localPaths ?? [],
  });
  const images = new ImageMap([...records.values()], storages, names);
  const positions = positionsByGuest(records, names);
  const calls = withLabelsSeenAfter(imageCalls(records, images));
  const callsByFile = groupBy(calls, (call) => call.file.id);
  const concerns = callsByGuest(calls);

  const views: GuestView[] = [];
  for (const key of [...positions.keys()].sort()) {
    const byHost = new Map(
      [...records.values()].map((record) => [
        record.host,
        readGuestRecord(key, record, positions.get(key)?.get(record.host) ?? [], names),
      ]),
    );
    const custody = new GuestCustody(key, records, byHost, isLocked(images.usesOf(key), storages));
    const ref = names.ref(key);
    const context = { records, callsOnFile: (file: ImageFile) => callsByFile.get(file.id) ?? [] };
    const judgements: Judgement[] = [];
    for (const { call, isImage } of concerns(key, images.complete.has(key))) {
      const judgement = isImage ? judge(call, custody, context) : judgeUnlisted(call, custody, context);
      if (judgement) judgements.push(judgement);
    }
    views.push({
      key,
      ref,
      custody,
      images: images.usesOf(key),
      judgements,
      migrations: migrationsOf(custody, records, ref),
      suffering: new Map(
        [...records.values()].map((record) => [
          record.host,
          sufferingOf(record, positions.get(key)?.get(record.host) ?? []),
        ]),
      ),
    });
  }

  const fleet = { records, callsOnFile: (fileId: string) => callsByFile.get(fileId) ?? [] };
  const offsets = alignClocks(
    records,
    views.map((view) => view.custody),
  );
  const unproven = unprovenAnnouncements(records);
  const findings = views.flatMap((view) => {
    const found = relabelFindings(view, fleet);
    return [
      ...found,
      ...suspicions(view, found, records, storages, unproven),
      ...unrecognisedStorage(view, records, storages),
    ];
  });
  return {
    hosts: [...records.values()].map(hostReport),
    migrations: views.flatMap((view) => view.migrations.map((migration) => migration.report)),
    relabels: relabelReports(views, calls),
    findings,
    timeline: views.flatMap((view) =>
      guestTimeline(view, records, (host) => positions.get(view.key)?.get(host) ?? [], offsets),
    ),
  };
}

/** One disk that the guest alone may write keeps a second QEMU from starting, if its lock is seen everywhere. */
function isLocked(uses: readonly ImageUse[], storages: StorageMap): boolean {
  return uses.some(({ host, path, image }) => {
    if (image.role !== 'disk' || image.read_only || image.shareable) return false;
    return storages.locate(host, path, null).storage?.locks ?? false;
  });
}

function recordsOf(events: Iterable<Event>): Map<string, HostRecord> {
  const byHost = groupBy(events, (event) => event.host);
  return new Map(
    [...byHost.keys()].sort().map((host) => [host, buildHostRecord(host, byHost.get(host) as Event[])]),
  );
}

/** Positions of the events that name a guest, and on each host those that concern all of its guests. */
function positionsByGuest(
  records: ReadonlyMap<string, HostRecord>,
  names: GuestNames,
): Map<string, Map<string, number[]>> {
  const found = new Map<string, Map<string, number[]>>();
  const commonOf = new Map<string, number[]>();
  for (const record of records.values()) {
    const common: number[] = [];
    for (const [position, event] of record.events.entries()) {
      if (event.kind === 'DaemonChanged' && event.body.daemon !== 'auditd') common.push(position);
      if (event.kind === 'GuestsListed' && event.body.complete) common.push(position);
      for (const guest of guestsNamedBy(event)) {
        const key = names.key(record.host, position, guest);
        if (key === null) continue;
        const byHost = getOrMake(found, key, () => new Map<string, number[]>());
        const own = getOrMake(byHost, record.host, () => []);
        if (own.at(-1) !== position) own.push(position);
      }
    }
    commonOf.set(record.host, common);
  }
  for (const byHost of found.values()) {
    for (const [host, common] of commonOf) {
      if (common.length === 0) continue;
      const all = new Set([...(byHost.get(host) ?? []), ...common]);
      if (all.size > 0)
        byHost.set(
          host,
          [...all].sort((a, b) => a - b),
        );
    }
  }
  return found;
}

function imageCalls(records: ReadonlyMap<string, HostRecord>, images: ImageMap): ImageCall[] {
  const calls: ImageCall[] = [];
  for (const record of records.values()) {
    for (const [position, event] of record.events.entries()) {
      if (event.kind !== 'RelabelObserved') continue;
      const match = images.match(record.host, event);
      if (!match) continue;
      const { file, by, storage } = match;
      calls.push({ event, record, position, file, match: by, storage });
    }
  }
  return calls;
}

/**
 * The calls to be judged for a guest, in the order of all calls: those on its images and, while its images are not
 * all listed, those on files that may be among them.
 */
function callsByGuest(
  calls: readonly ImageCall[],
): (guest: string, isListed: boolean) => { call: ImageCall; isImage: boolean }[] {
  const onImages = new Map<string, number[]>();
  const doubtful: number[] = [];
  const users = new Map<ImageFile, Set<string>>();
  for (const [index, call] of calls.entries()) {
    const guests = getOrMake(users, call.file, () => new Set(call.file.uses.map((use) => use.guest)));
    for (const guest of guests) getOrMake(onImages, guest, () => []).push(index);
    if (isDoubtful(call)) doubtful.push(index);
  }
  return (guest, isListed) => {
    const own = new Set(onImages.get(guest));
    const others = isListed ? [] : doubtful.filter((index) => !own.has(index));
    return [...own, ...others]
      .sort((a, b) => a - b)
      .map((index) => ({ call: calls[index] as ImageCall, isImage: own.has(index) }));
  };
}

const VERDICT_RANK: Record<Verdict, number> = { violation: 0, undetermined: 1, clean: 2 };

/** One row per call: what it means for the guest that it hurt most. */
function relabelReports(views: readonly GuestView[], calls: readonly ImageCall[]): RelabelReport[] {
  const worst = new Map<ImageCall, { judgement: Judgement; ref: GuestRef }>();
  for (const view of views) {
    for (const judgement of view.judgements) {
      const known = worst.get(judgement.call);
      if (!known || VERDICT_RANK[judgement.verdict] < VERDICT_RANK[known.judgement.verdict]) {
        worst.set(judgement.call, { judgement, ref: view.ref });
      }
    }
  }
  return calls.flatMap((call) => {
    const found = worst.get(call);
    return found ? [relabelReport(found.judgement, found.ref)] : [];
  });
}

function hostReport(record: HostRecord): HostReport {
  const stamped = record.events.filter(
    (event) => event.stream !== 'host-facts' && event.stream !== 'collector',
  );
  const times = stamped.map((event) => event.at);
  return {
    host: record.host,
    events: record.events.length,
    first_us: times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b)),
    last_us: times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b)),
    gaps: record.gaps.map((gap) => ({
      stream: gap.stream,
      kind: gap.kind,
      from_us: gap.fromUs,
      to_us: gap.toUs,
      lost: gap.lost,
      text: gap.text,
    })),
  };
}

const SEVERITY_RANK: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

function byUrgency(a: FindingReport, b: FindingReport): number {
  return SEVERITY_RANK[a.severity] - SEVERITY_RANK[b.severity] || (a.id < b.id ? -1 : 1);
}
