import type { ByteText } from '../domain/byte-text.js';
import { getOrMake } from '../domain/group.js';
import type { GuestRef } from '../domain/report.js';
import type { Event, GuestName } from '../events/event.js';
import { compareEntries, type Entry } from './entry.js';
import type { FileCall } from './file-call.js';
import type { Images } from './images.js';

/**
 * Guests that records may mean each other by: those that ever shared a name or a UUID, nearly always one guest. What
 * the records of a family say is said of nobody else, so each family is judged by itself.
 */
export class Family {
  readonly uuids = new Set<string>();
  readonly names = new Set<ByteText>();
  /** what names its guests, by host */
  readonly byHost = new Map<string, Entry[]>();
  /** of lists of guests, the places in them of those that are of this family */
  readonly listed = new Map<Entry, number[]>();
  /** its images, as stated when it was last looked at */
  images: Images = { uses: [], complete: new Set() };
  /** an image was stated, or a host or name was met for the first time */
  areUsesStale = true;
  /** a guest of it has no complete list of images */
  isUnlisted = true;
  /** what was last revised of it */
  told: Told = nothingTold();
  /** the family that this one was found to be part of */
  mergedInto: Family | null = null;
  private readonly unsorted = new Set<Entry[]>();

  get size(): number {
    let size = 0;
    for (const entries of this.byHost.values()) size += entries.length;
    return size;
  }

  add(entry: Entry): void {
    const { host, kind } = entry.event;
    let entries = this.byHost.get(host);
    if (entries === undefined) {
      entries = [];
      this.byHost.set(host, entries);
      this.areUsesStale = true;
    }
    if (kind === 'ImageAssigned') this.areUsesStale = true;
    const last = entries.at(-1);
    if (last === entry) return;
    entries.push(entry);
    if (last !== undefined && compareEntries(last, entry) > 0) this.unsorted.add(entries);
  }

  /** A name or UUID that was not known to be of the family. */
  carry({ uuid, name }: GuestName): void {
    const before = this.uuids.size + this.names.size;
    if (uuid !== null) this.uuids.add(uuid);
    if (name !== null) this.names.add(name);
    if (this.uuids.size + this.names.size > before) this.areUsesStale = true;
  }

  list(entry: Entry, place: number): void {
    getOrMake(this.listed, entry, () => []).push(place);
  }

  /** In the order of the host's record. */
  entriesOf(host: string): readonly Entry[] {
    const entries = this.byHost.get(host);
    if (entries === undefined) return [];
    if (this.unsorted.delete(entries)) {
      entries.sort(compareEntries);
    }
    return entries;
  }

  /** The order of the hosts' records has changed. */
  distrustOrder(): void {
    for (const entries of this.byHost.values()) this.unsorted.add(entries);
    this.areUsesStale = true;
  }

  absorb(other: Family): void {
    for (const uuid of other.uuids) this.uuids.add(uuid);
    for (const name of other.names) this.names.add(name);
    for (const [host, entries] of other.byHost) {
      const own = getOrMake(this.byHost, host, () => []);
      const known = new Set(own);
      for (const entry of entries) if (!known.has(entry)) own.push(entry);
      this.unsorted.add(own);
    }
    for (const [entry, places] of other.listed) {
      const own = getOrMake(this.listed, entry, () => []);
      own.push(...places);
      own.sort((a, b) => a - b);
    }
    for (const kind of ['migrations', 'findings'] as const)
      for (const id of other.told[kind]) this.told[kind].add(id);
    for (const [key, { guest, events }] of other.told.timeline) {
      const own = getOrMake(this.told.timeline, key, () => ({ guest, events: new Set<string>() }));
      for (const event of events) own.events.add(event);
    }
    for (const call of other.told.calls) {
      this.told.calls.add(call);
      for (const row of call.rows.values()) if (row.family === other) row.family = this;
    }
    this.areUsesStale = true;
    other.mergedInto = this;
  }
}

/** Ids of what was said of a family, and the calls that were judged for it. */
export interface Told {
  migrations: Set<string>;
  findings: Set<string>;
  /** by the guest's key, the events in its timeline */
  timeline: Map<string, { guest: GuestRef; events: Set<string> }>;
  calls: Set<FileCall>;
}

export function nothingTold(): Told {
  return { migrations: new Set(), findings: new Set(), timeline: new Map(), calls: new Set() };
}

/** Which family a guest is of. */
export class Families {
  private readonly byUuid = new Map<string, Family>();
  private readonly byName = new Map<ByteText, Family>();
  readonly all = new Set<Family>();
  private readonly onMerge: (winner: Family, loser: Family) => void;

  constructor(onMerge: (winner: Family, loser: Family) => void) {
    this.onMerge = onMerge;
  }

  /** Null for a guest without UUID and name. */
  of(guest: GuestName): Family | null {
    const { uuid, name } = guest;
    const known = uuid === null ? undefined : resolved(this.byUuid.get(uuid));
    const named = name === null ? undefined : resolved(this.byName.get(name));
    if (uuid === null && name === null) return null;
    let family = known ?? named;
    if (family === undefined) {
      family = new Family();
      this.all.add(family);
    } else if (known !== undefined && named !== undefined && known !== named) {
      family = this.merge(known, named);
    }
    if (known !== family || named !== family) family.carry(guest);
    if (uuid !== null && known !== family) this.byUuid.set(uuid, family);
    if (name !== null && named !== family) this.byName.set(name, family);
    return family;
  }

  /** The family that a guest is known to be of. */
  find({ uuid, name }: GuestName): Family | null {
    const known = uuid === null ? undefined : resolved(this.byUuid.get(uuid));
    return known ?? (name === null ? undefined : resolved(this.byName.get(name))) ?? null;
  }

  private merge(a: Family, b: Family): Family {
    const [winner, loser] = a.size >= b.size ? [a, b] : [b, a];
    winner.absorb(loser);
    this.all.delete(loser);
    this.onMerge(winner, loser);
    return winner;
  }
}

function resolved(family: Family | undefined): Family | undefined {
  let found = family;
  while (found?.mergedInto) found = found.mergedInto;
  return found;
}

export function guestsNamedBy(event: Event): readonly GuestName[] {
  if (event.kind === 'GuestsListed') return event.body.guests.map((listed) => listed.guest);
  const { guest } = event.body as { guest?: GuestName | null };
  return guest ? [guest] : [];
}
