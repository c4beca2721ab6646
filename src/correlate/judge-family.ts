import { getOrMake, groupBy } from '../domain/group.js';
import type { FindingReport, GuestRef, MigrationReport, RelabelReport, Report } from '../domain/report.js';
import type { Verdict } from '../domain/verdict.js';
import type { Event } from '../events/event.js';
import type { ClockBounds } from './clock-bounds.js';
import { GuestCustody } from './custody.js';
import type { Entry } from './entry.js';
import { asExpired } from './expired.js';
import { type Family, guestsNamedBy } from './family.js';
import type { FileCall } from './file-call.js';
import type { FileIndex } from './file-index.js';
import { relabelFindings } from './findings.js';
import type { GivenLabels } from './given-labels.js';
import { GuestNames, onlyGuestOf } from './guest-names.js';
import { readGuestRecord } from './guest-record.js';
import type { FleetView, GuestView } from './guest-view.js';
import type { HostRecord } from './host-record.js';
import type { ImageCall } from './image-call.js';
import type { ImageFile, ImageUse } from './images.js';
import { sufferingOf } from './impact.js';
import { type Judgement, judge, judgeUnlisted } from './judge.js';
import { withLabelsSeenAfter } from './labels-seen-after.js';
import { type Migration, migrationsOf } from './migrations.js';
import { relabelReport } from './relabel-report.js';
import { type GuestRemains, isSettled, type Remains } from './remains.js';
import type { Slicer } from './slice.js';
import type { StorageMap } from './storage.js';
import { type Announcement, isImagePath, suspicions, unrecognisedStorage } from './suspicions.js';
import { guestTimeline, laidOut, type TimelineRow } from './timeline.js';

/** What is concluded of one guest. */
export interface GuestConclusions {
  key: string;
  ref: GuestRef;
  migrations: MigrationReport[];
  findings: FindingReport[];
  timeline: TimelineRow[];
  relabels: { call: FileCall; report: RelabelReport }[];
  /** calls of a time of which all was settled before other events of the guest were let go */
  over: FileCall[];
  /** what its hand-overs say about the hosts' clocks */
  bounds: ClockBounds;
}

/** @param offsets what to add to each host's times to lay the clocks beside each other; µs */
export function addTo(
  into: Pick<Report, 'migrations' | 'findings' | 'timeline'>,
  guest: GuestConclusions,
  offsets: ReadonlyMap<string, number>,
): void {
  for (const migration of guest.migrations) into.migrations.push(migration);
  for (const finding of guest.findings) into.findings.push(finding);
  for (const entry of laidOut(guest.timeline, offsets)) into.timeline.push(entry);
}

/** Of the cluster, what families are judged by. */
export interface Evidence {
  slicer: Slicer;
  storages: StorageMap;
  files: FileIndex;
  given: GivenLabels;
  /** announcements that no whole audit log answers */
  unproven: readonly Entry[];
  remains: Remains;
}

/** Everything that can be said about the guests of one family; what others' records say changes none of it. */
export function judgeFamily(family: Family, evidence: Evidence): GuestConclusions[] {
  const { storages, files, given } = evidence;
  const { calls, doubtful } = callsFor(family, files);
  const announced = evidence.unproven.filter(({ event }) =>
    event.kind === 'RelabelIntended' && event.body.path !== null
      ? isImagePath(family.images.uses, event.body.path, event.host, storages)
      : false,
  );
  const { records, positions } = evidence.slicer.of(family, [
    ...calls.map(({ entry }) => entry),
    ...announced,
  ]);
  const all = [...records.values()];
  const names = new GuestNames(family, all);
  const { uses, complete } = family.images;
  const usesByGuest = groupBy(uses, ({ guest }) => guest);
  const positionsOf = positionsByGuest(family, all, names);
  const imageCalls = withLabelsSeenAfter(calls.map((call) => imageCall(call, records, positions, files)));
  const callsByFile = groupBy(imageCalls, ({ file }) => file.id);
  const unproven: Announcement[] = announced.flatMap((entry) =>
    entry.event.kind === 'RelabelIntended'
      ? [
          {
            event: entry.event,
            record: records.get(entry.event.host) as HostRecord,
            position: positions.get(entry) as number,
          },
        ]
      : [],
  );
  const letGo = evidence.remains.ofFamily(family);
  const isOver = (event: Event) => letGo.size > 0 && isSettled(letGo, event.host, event.at);
  const fleet: FleetView = { records, callsOnFile: (fileId) => callsByFile.get(fileId) ?? [] };
  return [...positionsOf.keys()].sort().map((key) => {
    const ofGuest = (record: HostRecord) => positionsOf.get(key)?.get(record) ?? NONE;
    const images = usesByGuest.get(key) ?? [];
    const byHost = new Map(
      all.map((record) => [record.host, readGuestRecord(key, record, ofGuest(record), names)]),
    );
    const custody = new GuestCustody(key, records, byHost, isLocked(images, storages));
    const ref = names.ref(key);
    const judgements: Judgement[] = [];
    const relabels: GuestConclusions['relabels'] = [];
    const over: FileCall[] = [];
    const context = {
      records,
      callsOnFile: (file: ImageFile) => fleet.callsOnFile(file.id),
      given,
      storages,
    };
    for (const [index, call] of imageCalls.entries()) {
      const fileCall = calls[index] as FileCall;
      const isImage = call.file.uses.some((use) => use.guest === key);
      if (!isImage && (complete.has(key) || !doubtful.has(fileCall))) continue;
      if (isOver(call.event)) {
        over.push(fileCall);
        continue;
      }
      const judged = isImage ? judge(call, custody, context) : judgeUnlisted(call, custody, context);
      if (!judged) continue;
      const judgement = letGo.size === 0 ? judged : asExpired(judged, letGo, custody.lockedStorage);
      judgements.push(judgement);
      relabels.push({ call: fileCall, report: relabelReport(judgement, ref) });
    }
    const suffering = new Map(
      all.map((record) => [record.host, sufferingOf(record, ofGuest(record), isOver)]),
    );
    const migrations = migrationsOf(custody, records, ref);
    const told = letGo.size === 0 ? migrations : migrations.filter((each) => !isMigrationOver(each, letGo));
    const view: GuestView = { key, ref, custody, images, judgements, migrations, suffering };
    const found = relabelFindings(view, fleet);
    const rows = guestTimeline(view, records, ofGuest);
    return {
      key,
      ref,
      migrations: told.map(({ report }) => report),
      findings: [
        ...found,
        ...suspicions(
          view,
          found,
          records,
          storages,
          unproven.filter(({ event }) => !isOver(event)),
        ),
        ...unrecognisedStorage(view, records, storages),
      ],
      timeline:
        letGo.size === 0 ? rows : rows.filter(({ entry }) => !isSettled(letGo, entry.host, entry.at_us)),
      relabels,
      over,
      bounds: custody.bounds,
    };
  });
}

const NONE: readonly number[] = [];

/** It is of a time of which everything was settled before other events of the guest were let go. */
function isMigrationOver({ report }: Migration, letGo: ReadonlySet<GuestRemains>): boolean {
  const { from, to, began_us, ended_us } = report;
  const at_us = ended_us ?? began_us;
  return [to, from].some((host) => host !== null && at_us !== null && isSettled(letGo, host, at_us));
}

/**
 * The calls that say something about the family, in the order of all calls: those on its images and, while a guest's
 * images are not all listed, those on files that may be among them, with what else was done to these.
 */
function callsFor(family: Family, files: FileIndex): { calls: FileCall[]; doubtful: ReadonlySet<FileCall> } {
  const calls = files.callsOf(family);
  if (family.isUnlisted) {
    for (const call of files.doubtful) for (const beside of files.callsBeside(call)) calls.add(beside);
  }
  return { calls: [...calls].sort(compareCalls), doubtful: files.doubtful };
}

export function compareCalls({ entry: a }: FileCall, { entry: b }: FileCall): number {
  if (a.event.host !== b.event.host) return a.event.host < b.event.host ? -1 : 1;
  return a.time - b.time || a.order - b.order;
}

const VERDICT_RANK: Record<Verdict, number> = { violation: 0, undetermined: 1, clean: 2 };

/** A call is reported once: for the guest that it hurt most, the first by its key of several. */
export function isWorse(a: RelabelReport, b: RelabelReport): boolean {
  return VERDICT_RANK[a.verdict] < VERDICT_RANK[b.verdict];
}

function imageCall(
  call: FileCall,
  records: ReadonlyMap<string, HostRecord>,
  positions: ReadonlyMap<Entry, number>,
  files: FileIndex,
): ImageCall {
  return {
    event: call.event,
    record: records.get(call.event.host) as HostRecord,
    position: positions.get(call.entry) as number,
    file: files.fileOf(call),
    match: call.by,
    storage: call.storage,
  };
}

/** One disk that the guest alone may write keeps a second QEMU from starting, if its lock is seen everywhere. */
function isLocked(uses: readonly ImageUse[], storages: StorageMap): boolean {
  return uses.some(({ host, path, image }) => {
    if (image.role !== 'disk' || image.read_only || image.shareable) return false;
    return storages.locate(host, path, null).storage?.locks ?? false;
  });
}

/** Positions of the events that name a guest, and on each host those that concern all guests. */
export function positionsByGuest(
  family: Family,
  records: readonly HostRecord[],
  names: GuestNames,
): Map<string, Map<HostRecord, readonly number[]>> {
  const only = onlyGuestOf(family);
  if (only !== null) return new Map([[only, new Map(records.map((record) => [record, record.own]))]]);
  const found = new Map<string, Map<HostRecord, number[]>>();
  const commonOf = new Map<HostRecord, number[]>();
  for (const record of records) {
    const common: number[] = [];
    for (const position of record.own) {
      const event = record.events[position] as HostRecord['events'][number];
      if (event.kind === 'DaemonChanged') common.push(position);
      if (event.kind === 'GuestsListed' && event.body.complete) common.push(position);
      for (const guest of guestsNamedBy(event)) {
        const key = names.key(record.host, position, guest);
        if (key === null) continue;
        const byRecord = getOrMake(found, key, () => new Map<HostRecord, number[]>());
        const own = getOrMake(byRecord, record, () => []);
        if (own.at(-1) !== position) own.push(position);
      }
    }
    commonOf.set(record, common);
  }
  for (const byRecord of found.values()) {
    for (const [record, common] of commonOf) {
      if (common.length === 0) continue;
      const all = new Set([...(byRecord.get(record) ?? []), ...common]);
      byRecord.set(
        record,
        [...all].sort((a, b) => a - b),
      );
    }
  }
  return found;
}
