import { getOrMake } from '../domain/group.js';
import type { Event } from '../events/event.js';
import { linkages } from './chains.js';
import type { Cluster } from './cluster.js';
import { compareEntries, type Entry } from './entry.js';
import type { Family } from './family.js';
import type { FileCall } from './file-call.js';
import type { UsedFile } from './file-index.js';
import { GuestNames } from './guest-names.js';
import { readGuestRecord } from './guest-record.js';
import type { HostRecord } from './host-record.js';
import { type ImageUse, imagesOf } from './images.js';
import { BEFORE, type GuestRecord, type Incarnation } from './incarnation.js';
import { isByLibvirt, isGivenBackBy } from './judge.js';
import { type Evidence, positionsByGuest } from './judge-family.js';
import { localState } from './local-state.js';
import { asksForOwner, useOf } from './need.js';
import { type GuestRemains, joined } from './remains.js';
import { repeatedCalls, repeatedEntries, supersededFacts, supersededLists } from './repeated.js';

/**
 * Which events can be let go: those that have long been settled and that no later verdict needs.
 *
 * - Of guests that ended everywhere: all. Of guests that go on: what came before their last incarnation on each host.
 *   Both leave a hole that verdicts about later events know of (`Remains`).
 * - Of repeated calls and signs between two events that can change who owned a guest: all but the first and the last,
 *   which say the same. They leave no hole.
 *
 * It proposes; whether what is kept is judged as before has to be tried (`settle` in src/stream/settling.ts).
 */

export interface Horizon {
  /** stamp of each host up to which its events are old enough, on its own clock; a host without one lets nothing go; µs */
  until_us: ReadonlyMap<string, number>;
  /** no host is still expected to say anything about it */
  isFinal: (table: 'relabels' | 'migrations' | 'findings', id: string) => boolean;
  /** a violation that nothing has mended */
  isOpen: (finding: string) => boolean;
}

/** What can be let go together, or not at all. */
export interface Proposal {
  events: readonly Event[];
  /** UUIDs and names of the guests that it is about; null where it is about a host */
  guests: ReadonlySet<string> | null;
  /** what is left of those it concerns; null where the rest says the same */
  remains: GuestRemains | null;
  /** relabels of files that no guest is known to use: they go back to wait for one */
  areUnclaimed?: true;
}

export function settledIn(cluster: Cluster, horizon: Horizon): Proposal[] {
  const evidence = cluster.evidence();
  const proposals: Proposal[] = [];
  const gone = new Set<Entry>();
  const shared = sharedFiles(evidence);
  for (const family of cluster.families.all) {
    const past = pastOf(family, cluster, evidence, horizon, shared);
    if (past === null) continue;
    for (const entry of past.entries) gone.add(entry);
    const events = [...past.entries].map(({ event }) => event);
    proposals.push({ events, guests: guestsOf([family]), remains: past.remains });
  }
  const isOld = (entry: Entry) => !gone.has(entry) && isBefore(horizon, entry);
  const isFinal = ({ event }: FileCall) => horizon.isFinal('relabels', event.id);
  for (const file of evidence.files.used()) {
    const calls = [...file.calls].filter((call) => !gone.has(call.entry));
    const marks = (host: string) => marksOf(host, file, cluster, gone);
    const repeated = repeatedCalls(calls, marks, (call) => isOld(call.entry) && isFinal(call));
    if (repeated.length === 0) continue;
    const guests = guestsOf(file.uses.keys());
    proposals.push({ events: repeated.map(({ event }) => event), guests, remains: null });
  }
  for (const family of cluster.families.all) {
    for (const entries of family.byHost.values()) {
      const kept = entries.filter((entry) => !gone.has(entry));
      const repeated = repeatedEntries(kept, isOld);
      if (repeated.length === 0) continue;
      const guests = guestsOf([family]);
      proposals.push({ events: repeated.map(({ event }) => event), guests, remains: null });
    }
  }
  const ofNobody = cluster.calls.filter(({ file, entry }) => file === null && isOld(entry));
  if (ofNobody.length > 0)
    proposals.push({
      events: ofNobody.map(({ event }) => event),
      guests: new Set(),
      remains: null,
      areUnclaimed: true,
    });
  for (const log of cluster.hosts.values()) {
    const superseded = [...supersededLists(log.common, isOld), ...supersededFacts(log.factEntries, isOld)];
    if (superseded.length > 0)
      proposals.push({ events: superseded.map(({ event }) => event), guests: null, remains: null });
  }
  return proposals;
}

function isBefore({ until_us }: Horizon, { event }: Entry): boolean {
  return event.at <= (until_us.get(event.host) ?? Number.NEGATIVE_INFINITY);
}

function guestsOf(families: Iterable<Family>): Set<string> {
  const guests = new Set<string>();
  for (const { uuids, names } of families) {
    for (const uuid of uuids) guests.add(uuid);
    for (const name of names) guests.add(name);
  }
  return guests;
}

/** What can change on a host who of a file's users owned a guest. */
function marksOf(host: string, { uses }: UsedFile, cluster: Cluster, gone: ReadonlySet<Entry>): Entry[] {
  const log = cluster.hosts.get(host);
  const marks = log === undefined ? [] : [...log.common, ...log.gapEntries];
  for (const family of uses.keys())
    for (const entry of family.entriesOf(host)) if (!gone.has(entry)) marks.push(entry);
  return marks;
}

/** The files that families share with others, how each uses them, and how many do so in one way. */
interface SharedFiles {
  of: Map<Family, { key: string; way: string }[]>;
  counts: Map<string, number>;
}

function sharedFiles({ files, given }: Evidence): SharedFiles {
  const of: SharedFiles['of'] = new Map();
  const counts = new Map<string, number>();
  for (const { key, uses } of files.used()) {
    if (uses.size < 2) continue;
    for (const [family, list] of uses) {
      const way = `${key} ${wayOf(list)} ${[...family.uuids].map((uuid) => [...given.to(uuid)].sort()).join()}`;
      counts.set(way, (counts.get(way) ?? 0) + 1);
      getOrMake(of, family, () => []).push({ key, way });
    }
  }
  return { of, counts };
}

function wayOf(uses: readonly ImageUse[]): string {
  const ways = uses.map(({ host, path, image }) =>
    JSON.stringify([host, path, image.role, image.read_only, image.shareable]),
  );
  return [...new Set(ways)].sort().join();
}

/** What is said of a shared file rests on there being others who use it, and on no more of them than these. */
const ALIKE_KEPT = 2;

interface Past {
  entries: Set<Entry>;
  remains: GuestRemains;
}

function pastOf(
  family: Family,
  cluster: Cluster,
  evidence: Evidence,
  horizon: Horizon,
  shared: SharedFiles,
): Past | null {
  const oldest = [...family.byHost.keys()].some((host) => {
    const [first] = family.entriesOf(host);
    return first !== undefined && isBefore(horizon, first);
  });
  if (!oldest) return null;
  const calls = [...evidence.files.callsOf(family)];
  const lives = livesOf(family, evidence, calls);
  const keptFrom = keptFromOf(family, lives, horizon);
  const entries = new Set<Entry>();
  let kept = 0;
  for (const host of family.byHost.keys()) {
    for (const entry of family.entriesOf(host)) {
      if (entry.event.kind === 'GuestsListed') continue;
      const from = keptFrom.get(host);
      if (from === null || (from !== undefined && entryIsBefore(entry, from))) entries.add(entry);
      else kept++;
    }
  }
  if (entries.size === 0) return null;
  const isWhole = kept === 0;
  const ways = shared.of.get(family) ?? [];
  if (isWhole && ways.some(({ way }) => (shared.counts.get(way) ?? 0) <= ALIKE_KEPT)) return null;
  if (!isWhole && (!isOrderCertain(lives) || !statesImagesWithout(family, entries, lives))) return null;
  const sharedKeys = new Set(ways.map(({ key }) => key));
  for (const call of calls) {
    if (call.file !== null && isShared(call, sharedKeys, evidence)) continue;
    const { host } = call.event;
    const from = keptFrom.get(host);
    const isPast = isWhole || from === null || (from !== undefined && entryIsBefore(call.entry, from));
    if (!isPast) continue;
    if (!isBefore(horizon, call.entry) || !horizon.isFinal('relabels', call.event.id)) return null;
    entries.add(call.entry);
  }
  for (const table of ['migrations', 'findings'] as const)
    for (const id of family.told[table])
      if (!horizon.isFinal(table, id) || (!isWhole && horizon.isOpen(id))) return null;
  if (isWhole) for (const { way } of ways) shared.counts.set(way, (shared.counts.get(way) ?? 0) - 1);
  return { entries, remains: remainsOf(family, cluster, evidence, entries, calls, lives, horizon) };
}

function isShared(call: FileCall, keys: ReadonlySet<string>, { files }: Evidence): boolean {
  return keys.size > 0 && new Set(files.fileOf(call).uses.map(({ guest }) => guest)).size > 1;
}

function entryIsBefore(entry: Entry, from: Entry): boolean {
  return entry !== from && compareEntries(entry, from) < 0;
}

interface Lives {
  records: ReadonlyMap<string, HostRecord>;
  positions: ReadonlyMap<Entry, number>;
  names: GuestNames;
  /** by guest, by host */
  guests: Map<string, Map<string, GuestRecord>>;
}

function livesOf(family: Family, { slicer }: Evidence, calls: readonly FileCall[]): Lives {
  const { records, positions } = slicer.of(
    family,
    calls.map(({ entry }) => entry),
  );
  const all = [...records.values()];
  const names = new GuestNames(family, all);
  const guests = new Map<string, Map<string, GuestRecord>>();
  for (const [key, byRecord] of positionsByGuest(family, all, names)) {
    const byHost = new Map<string, GuestRecord>();
    for (const record of all)
      byHost.set(record.host, readGuestRecord(key, record, byRecord.get(record) ?? [], names));
    guests.set(key, byHost);
  }
  return { records, positions, names, guests };
}

/** By host the first event that has to stay; null where none has to. */
function keptFromOf(family: Family, { records, guests }: Lives, horizon: Horizon): Map<string, Entry | null> {
  const keptFrom = new Map<string, Entry | null>();
  for (const host of family.byHost.keys()) {
    const entries = family.entriesOf(host).filter(({ event }) => event.kind !== 'GuestsListed');
    let from = entries.find((entry) => !isBefore(horizon, entry)) ?? null;
    const { events } = records.get(host) as HostRecord;
    for (const byHost of guests.values()) {
      if (from === entries[0]) break;
      if (hasEnded(byHost, records, horizon)) continue;
      const last = byHost.get(host)?.incarnations.at(-1);
      if (last === undefined) continue;
      const opened = last.opened === BEFORE ? entries[0] : entryOf(entries, events[last.opened]);
      if (opened && (from === null || entryIsBefore(opened, from))) from = opened;
    }
    keptFrom.set(host, from);
  }
  return keptFrom;
}

function entryOf(entries: readonly Entry[], event: Event | undefined): Entry | undefined {
  // a list of guests stands for an incarnation that no event of the guest begins: then all has to stay
  return entries.find((entry) => entry.event === event) ?? entries[0];
}

/** No incarnation of the guest is open anywhere, and the last events of it are old on every host. */
function hasEnded(
  byHost: ReadonlyMap<string, GuestRecord>,
  records: ReadonlyMap<string, HostRecord>,
  horizon: Horizon,
): boolean {
  for (const [host, { incarnations }] of byHost) {
    if (incarnations.some(({ ended }) => ended === null)) return false;
    const end = incarnations.at(-1)?.ended;
    const event = end == null ? undefined : (records.get(host) as HostRecord).events[end];
    if (event && event.at > (horizon.until_us.get(host) ?? Number.NEGATIVE_INFINITY)) return false;
  }
  return true;
}

/** Where a guest can have gone several ways, fewer are left without its past, and too much would be proved. */
function isOrderCertain({ records, guests }: Lives): boolean {
  return [...guests.values()].every((byHost) => {
    const { all, exhausted } = linkages([...byHost.values()], records);
    return all.length === 1 && !exhausted;
  });
}

/** The same images are known without these entries. */
function statesImagesWithout(family: Family, entries: ReadonlySet<Entry>, { names }: Lives): boolean {
  const usesOf = (isKept: (entry: Entry) => boolean) => {
    const statements = [...family.byHost.keys()].map((host) => ({
      host,
      stated: family.entriesOf(host).flatMap((entry) => {
        const { event } = entry;
        if (event.kind !== 'ImageAssigned' || !isKept(entry)) return [];
        const guest = event.body.guest.uuid ?? names.key(host, Number.MAX_SAFE_INTEGER, event.body.guest);
        return guest === null ? [] : [{ guest, event }];
      }),
      guests: new Set<string>(),
    }));
    const { uses, complete } = imagesOf(statements);
    const stated = uses.map(({ guest, path, image: { role, read_only, shareable } }) =>
      JSON.stringify([guest, path, role, read_only, shareable]),
    );
    return JSON.stringify([[...new Set(stated)].sort(), [...complete].sort()]);
  };
  return usesOf(() => true) === usesOf((entry) => !entries.has(entry));
}

function remainsOf(
  family: Family,
  cluster: Cluster,
  { files }: Evidence,
  entries: ReadonlySet<Entry>,
  calls: readonly FileCall[],
  lives: Lives,
  horizon: Horizon,
): GuestRemains {
  const until_us: Record<string, number> = {};
  for (const { event } of entries)
    until_us[event.host] = Math.max(until_us[event.host] ?? event.at, event.at);
  const gone = calls.filter(({ entry }) => entries.has(entry));
  const remains: GuestRemains = {
    uuids: [...family.uuids],
    names: [...family.names],
    until_us,
    settled_us: Object.fromEntries(horizon.until_us),
    files: [...files.keysOf(family)],
    ownedOn: ownedOn(entries, lives),
    gaveBack: gone.some((call) => wasGivenBack(call, files.fileOf(call).uses, lives)),
  };
  return joined([remains, ...cluster.remains.ofFamily(family)]);
}

/** Where guests were owned by what is let go, and nothing that is kept continues it. */
function ownedOn(entries: ReadonlySet<Entry>, { records, guests }: Lives): string[] {
  const gone = new Set([...entries].map(({ event }) => event.id));
  const isGone = ({ host, ended }: Incarnation) => {
    const event = ended === null ? undefined : (records.get(host) as HostRecord).events[ended];
    return event !== undefined && gone.has(event.id);
  };
  const hosts = new Set<string>();
  for (const byHost of guests.values()) {
    const [linkage] = linkages([...byHost.values()], records).all;
    const going = new Set((linkage?.chains ?? []).filter((chain) => !chain.every(isGone)).flat());
    for (const { incarnations } of byHost.values())
      for (const each of incarnations)
        if (each.owns !== null && isGone(each) && !going.has(each)) hosts.add(each.host);
  }
  return [...hosts];
}

function wasGivenBack(
  call: FileCall,
  uses: readonly ImageUse[],
  { records, positions, guests }: Lives,
): boolean {
  const { body, host } = call.event;
  if (!isByLibvirt(body) || body.success !== true || !asksForOwner(body)) return false;
  const record = records.get(host) as HostRecord;
  const position = positions.get(call.entry) as number;
  return [...guests].some(([guest, byHost]) => {
    const local = localState(byHost.get(host), record, position, true);
    const use = useOf(uses.filter((each) => each.guest === guest));
    return (
      local.state === 'owner' &&
      isGivenBackBy(local.incarnation, { event: call.event, record, position }, use)
    );
  });
}
