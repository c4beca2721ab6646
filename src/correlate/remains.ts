import type { ByteText } from '../domain/byte-text.js';
import { getOrMake } from '../domain/group.js';
import type { GuestName } from '../events/event.js';

/** What is left of a guest, or of some guests that records may mean each other by, of which events were let go. */
export interface GuestRemains {
  uuids: readonly string[];
  names: readonly ByteText[];
  /** stamp of the latest event that was let go, by host; µs */
  until_us: Readonly<Record<string, number>>;
  /** stamp up to which everything about it was settled, by host: nothing new is said of that time; µs */
  settled_us: Readonly<Record<string, number>>;
  /** what its files were known by (`FileKeys`) */
  files: readonly string[];
  /** libvirt gave a file of it back while it ran: it may have been detached */
  gaveBack: boolean;
  /** hosts that owned it in lives of which no hand-over leads to what is kept: they can have been rivals of what comes */
  ownedOn: readonly string[];
}

/** What is left of what was let go of one host, for what is said of the host as a whole. */
export interface HostRemains {
  events: number;
  first_us: number | null;
  last_us: number | null;
  isHypervisor: boolean;
}

/**
 * What is left of events that were let go because they had long been settled. It proves nothing: it tells where the
 * record of a guest has a hole for that reason, and which events come too late to be judged.
 */
export class Remains {
  readonly hosts = new Map<string, HostRemains>();
  private readonly guests = new Map<string, GuestRemains>();
  private readonly byUuid = new Map<string, Set<GuestRemains>>();
  private readonly byName = new Map<ByteText, Set<GuestRemains>>();
  private readonly byFile = new Map<string, Set<GuestRemains>>();

  get size(): number {
    return this.guests.size;
  }

  *all(): Iterable<[id: string, remains: GuestRemains]> {
    yield* this.guests;
  }

  set(remains: GuestRemains): void {
    this.delete(idOf(remains));
    this.guests.set(idOf(remains), remains);
    for (const [index, keys] of this.indices(remains))
      for (const key of keys) getOrMake(index, key, () => new Set()).add(remains);
  }

  delete(id: string): void {
    const remains = this.guests.get(id);
    if (remains === undefined) return;
    this.guests.delete(id);
    for (const [index, keys] of this.indices(remains)) {
      for (const key of keys) {
        const others = index.get(key);
        others?.delete(remains);
        if (others?.size === 0) index.delete(key);
      }
    }
  }

  ofGuest({ uuid, name }: GuestName): Set<GuestRemains> {
    return new Set([
      ...((uuid === null ? undefined : this.byUuid.get(uuid)) ?? []),
      ...((name === null ? undefined : this.byName.get(name)) ?? []),
    ]);
  }

  ofFile(keys: readonly string[]): GuestRemains | null {
    for (const key of keys) for (const remains of this.byFile.get(key) ?? []) return remains;
    return null;
  }

  /** Of all guests that have one of these UUIDs or names. */
  ofFamily({
    uuids,
    names,
  }: {
    uuids: Iterable<string>;
    names: Iterable<ByteText>;
  }): ReadonlySet<GuestRemains> {
    if (this.guests.size === 0) return NONE;
    const found = new Set<GuestRemains>();
    for (const uuid of uuids) for (const each of this.byUuid.get(uuid) ?? []) found.add(each);
    for (const name of names) for (const each of this.byName.get(name) ?? []) found.add(each);
    return found;
  }

  private indices({ uuids, names, files }: GuestRemains) {
    return [
      [this.byUuid, uuids],
      [this.byName, names],
      [this.byFile, files],
    ] as const;
  }
}

const NONE: ReadonlySet<GuestRemains> = new Set();

/** Stable for as long as its guests are the same. */
export function idOf({ uuids, names }: Pick<GuestRemains, 'uuids' | 'names'>): string {
  return uuids[0] ?? `name:${names[0] ?? ''}`;
}

/** Up to where events of a guest were let go on a host; null where none were; µs. */
export function letGoUntil_us(remains: Iterable<GuestRemains>, host: string): number | null {
  let until: number | null = null;
  for (const { until_us } of remains) {
    const at = until_us[host];
    if (at !== undefined && (until === null || at > until)) until = at;
  }
  return until;
}

/** Is it of a time of which everything about the guests was settled? */
export function isSettled(remains: Iterable<GuestRemains>, host: string, at_us: number): boolean {
  for (const { settled_us } of remains)
    if (at_us <= (settled_us[host] ?? Number.NEGATIVE_INFINITY)) return true;
  return false;
}

export function joined(all: Iterable<GuestRemains>): GuestRemains {
  const until_us: Record<string, number> = {};
  const settled_us: Record<string, number> = {};
  const [uuids, names, files] = [new Set<string>(), new Set<ByteText>(), new Set<string>()];
  const ownedOn = new Set<string>();
  let gaveBack = false;
  for (const each of all) {
    for (const uuid of each.uuids) uuids.add(uuid);
    for (const name of each.names) names.add(name);
    for (const file of each.files) files.add(file);
    for (const [host, at] of Object.entries(each.until_us))
      until_us[host] = Math.max(until_us[host] ?? at, at);
    for (const [host, at] of Object.entries(each.settled_us))
      settled_us[host] = Math.max(settled_us[host] ?? at, at);
    gaveBack ||= each.gaveBack;
    for (const host of each.ownedOn) ownedOn.add(host);
  }
  return {
    uuids: [...uuids].sort(),
    names: [...names].sort(),
    until_us,
    settled_us,
    files: [...files].sort(),
    gaveBack,
    ownedOn: [...ownedOn].sort(),
  };
}
