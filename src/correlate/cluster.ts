import { groupBy } from '../domain/group.js';
import type { GuestRef, HostReport } from '../domain/report.js';
import type { EventOf } from '../events/event.js';
import { ClockRelations } from './clock-alignment.js';
import type { Entry } from './entry.js';
import { Families, type Family, guestsNamedBy } from './family.js';
import { type FileCall, fileCall } from './file-call.js';
import { FileIndex } from './file-index.js';
import { GivenLabels } from './given-labels.js';
import { GuestNames, onlyGuestOf } from './guest-names.js';
import { HostLog } from './host-log.js';
import { imagesOf, type Statements } from './images.js';
import type { Evidence } from './judge-family.js';
import type { Remains } from './remains.js';
import { Slicer } from './slice.js';
import { StorageMap, type StorageOverrides } from './storage.js';

/**
 * All that was taken in of one cluster, laid out so that a new event costs what it touches: each host's record in order,
 * the families of guests with what names them, the files with the calls on them. `settle` takes in what is new and
 * tells which families have to be judged again; it judges nothing.
 *
 * A family is judged again when an event names one of its guests, when a call on one of its files, or what is known of
 * such a file, has changed, and when something is said of a host as a whole (a gap, a daemon's restart, a list of all
 * guests, other facts or streams): every verdict may rest on any host's holes and facts.
 */
export class Cluster {
  readonly name: string;
  readonly dirty = new Set<Family>();
  /** something was said of it before */
  isRevised = false;
  readonly families: Families;
  /** what the hand-overs of the families that were revised say about the clocks */
  readonly clocks = new ClockRelations<Family>();
  readonly hosts = new Map<string, HostLog>();
  readonly remains: Remains;
  private readonly overrides: StorageOverrides;
  private readonly given = new GivenLabels();
  readonly calls: FileCall[] = [];
  private readonly denials: Entry[] = [];
  private fresh: Entry[] = [];
  /** hosts of which an event was replaced by a fuller copy of it */
  private readonly stale = new Set<string>();
  private storages: StorageMap;
  files: FileIndex;
  private unproven = new Set<Entry>();

  constructor(name: string, overrides: StorageOverrides, remains: Remains) {
    this.name = name;
    this.remains = remains;
    this.overrides = overrides;
    this.storages = new StorageMap(this.hosts, overrides);
    this.files = new FileIndex(this.storages, this.given);
    this.families = new Families((winner, loser) => {
      this.files.merge(winner, loser);
      this.dirty.delete(loser);
      this.clocks.delete(loser);
      this.dirty.add(winner);
    });
  }

  add(entry: Entry): void {
    this.fresh.push(entry);
  }

  /** Another copy took the place of an event that was taken in before. */
  replace(entry: Entry): void {
    if (!Number.isNaN(entry.time)) this.stale.add(entry.event.host);
  }

  /** Takes in what is new; false when there was nothing. */
  settle(): boolean {
    if (this.fresh.length === 0 && this.stale.size === 0) return false;
    const { fresh } = this;
    this.fresh = [];
    const change = this.addToHosts(fresh);
    const added = this.addToFamilies(fresh);
    if (change.isMoved) for (const family of this.families.all) family.distrustOrder();
    if (change.forAll) for (const family of this.families.all) this.dirty.add(family);
    if (change.storages) this.rebuildFiles();
    else {
      for (const call of added) this.files.addCall(call);
      if (!this.stateUses(this.dirty)) this.rebuildFiles();
    }
    const { families, areDoubtfulOther } = this.files.settle();
    for (const family of families) this.dirty.add(family);
    if (areDoubtfulOther) {
      for (const family of this.families.all) if (family.isUnlisted) this.dirty.add(family);
    }
    this.doubtAnnouncements();
    return true;
  }

  private addToHosts(fresh: readonly Entry[]): { forAll: boolean; isMoved: boolean; storages: boolean } {
    const byHost = groupBy(fresh, ({ event }) => event.host);
    const all = { forAll: false, isMoved: false, storages: false };
    for (const host of new Set([...byHost.keys(), ...this.stale])) {
      let log = this.hosts.get(host);
      if (log === undefined) {
        log = new HostLog(host, this.remains.hosts.get(host));
        this.hosts.set(host, log);
      }
      const change = log.add(byHost.get(host) ?? [], this.stale.has(host));
      all.forAll ||= change.forAll;
      all.isMoved ||= change.isMoved;
      all.storages ||= change.storages;
    }
    this.stale.clear();
    return all;
  }

  private addToFamilies(fresh: readonly Entry[]): FileCall[] {
    const added: FileCall[] = [];
    for (const entry of fresh) {
      const { event } = entry;
      if (event.kind === 'RelabelObserved') {
        const call = fileCall(entry);
        added.push(call);
        this.calls.push(call);
        continue;
      }
      if (event.kind === 'AccessDenied') {
        this.denials.push(entry);
        this.files.addDenial(event);
        continue;
      }
      if (event.kind === 'GuestsListed') {
        for (const [place, { guest }] of event.body.guests.entries()) {
          const family = this.families.of(guest);
          family?.list(entry, place);
          if (family) this.addTo(family, entry);
        }
        continue;
      }
      const isGivenAnew = event.kind === 'GuestLabelAssigned' && this.given.add(event);
      for (const guest of guestsNamedBy(event)) {
        const family = this.families.of(guest);
        if (family) this.addTo(family, entry);
        if (family && isGivenAnew) this.files.labelOtherwise(family);
      }
    }
    return added;
  }

  private addTo(family: Family, entry: Entry): void {
    family.add(entry);
    this.dirty.add(family);
  }

  /** @returns false when the index of files has to be made anew */
  private stateUses(families: Iterable<Family>): boolean {
    const slicer = new Slicer(this.hosts.values(), this.remains);
    const hosts = this.hostNames();
    for (const family of families) {
      if (!family.areUsesStale) continue;
      const only = onlyGuestOf(family);
      const statements = only === null ? statementsOf(family, slicer) : statementsOfOnly(family, only, hosts);
      family.images = imagesOf(statements);
      family.isUnlisted = only === null || !family.images.complete.has(only);
      family.areUsesStale = false;
      if (!this.files.setUses(family, family.images.uses)) return false;
    }
    return true;
  }

  /** Where files lie is told otherwise: which file is which has to be found out anew. */
  private rebuildFiles(): void {
    this.storages = new StorageMap(this.hosts, this.overrides);
    this.files = new FileIndex(this.storages, this.given);
    for (const { event } of this.denials) this.files.addDenial(event as EventOf<'AccessDenied'>);
    for (const call of this.calls) this.files.addCall(call);
    for (const family of this.families.all) {
      this.dirty.add(family);
      family.areUsesStale = true;
    }
    this.stateUses(this.families.all);
  }

  /** Finds which announcements no whole audit log answers, and who may be concerned where that has changed. */
  private doubtAnnouncements(): void {
    const unproven = new Set<Entry>();
    for (const log of this.hosts.values()) {
      if (log.announcements.length === 0 || (log.streams.has('audit') && !log.gaps.hideIn('audit'))) continue;
      for (const entry of log.announcements) if (!log.isAuditWholeAround(entry)) unproven.add(entry);
    }
    for (const [these, others] of [
      [unproven, this.unproven],
      [this.unproven, unproven],
    ] as const) {
      for (const entry of these) {
        const { event } = entry;
        if (others.has(entry) || event.kind !== 'RelabelIntended' || event.body.path === null) continue;
        for (const family of this.files.usersOf(event.host, event.body.path)) this.dirty.add(family);
      }
    }
    this.unproven = unproven;
  }

  /** What families are judged by, until the next `settle`. */
  evidence(): Evidence {
    return {
      slicer: new Slicer(this.hosts.values(), this.remains),
      remains: this.remains,
      storages: this.storages,
      files: this.files,
      given: this.given,
      unproven: this.unprovenInOrder(),
    };
  }

  private unprovenInOrder(): Entry[] {
    if (this.unproven.size === 0) return [];
    return [...this.hosts.values()]
      .sort((a, b) => (a.host < b.host ? -1 : 1))
      .flatMap((log) => log.announcements.filter((entry) => this.unproven.has(entry)));
  }

  hostNames(): string[] {
    return [...this.hosts.keys()].sort();
  }

  watermarks(): Map<string, number> {
    const found = new Map<string, number>();
    for (const [host, { watermark_us }] of this.hosts)
      if (watermark_us !== null) found.set(host, watermark_us);
    return found;
  }

  restsOn(guest: GuestRef): Map<string, number> {
    const family = this.families.find(guest);
    if (family === null) return new Map();
    const found = new Map<string, number>();
    const see = ({ event: { host, at } }: Entry) => found.set(host, Math.max(at, found.get(host) ?? at));
    for (const entries of family.byHost.values()) for (const entry of entries) see(entry);
    for (const { entry } of this.files.callsOf(family)) see(entry);
    const latest = Math.max(...found.values());
    return new Map(this.hostNames().map((host) => [host, found.get(host) ?? latest]));
  }

  hostReports(): HostReport[] {
    return this.hostNames().map((host) => (this.hosts.get(host) as HostLog).report());
  }
}

function statementsOf(family: Family, slicer: Slicer): Statements[] {
  const records = [...slicer.of(family, []).records.values()];
  const names = new GuestNames(family, records);
  return records.map((record) => ({
    host: record.host,
    stated: record.own.flatMap((position) => {
      const event = record.events[position];
      if (event?.kind !== 'ImageAssigned') return [];
      const guest = names.key(record.host, position, event.body.guest);
      return guest === null ? [] : [{ guest, event }];
    }),
    guests: names.guestsOf(record.host),
  }));
}

/** Of a family of one nobody else can be meant, whatever a name stands for where. */
function statementsOfOnly(family: Family, guest: string, hosts: readonly string[]): Statements[] {
  const guests = new Set([guest]);
  return hosts
    .filter((host) => family.byHost.has(host))
    .map((host) => ({
      host,
      stated: family
        .entriesOf(host)
        .flatMap(({ event }) => (event.kind === 'ImageAssigned' ? [{ guest, event }] : [])),
      guests,
    }));
}
