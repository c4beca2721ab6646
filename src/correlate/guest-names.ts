import type { ByteText } from '../domain/byte-text.js';
import { getOrMake } from '../domain/group.js';
import type { GuestRef } from '../domain/report.js';
import type { GuestName } from '../events/event.js';
import { type Family, guestsNamedBy } from './family.js';
import type { HostRecord } from './host-record.js';

/**
 * Which guest of a family a record means. Audit records name the UUID; virsh prints names only, and a name can change
 * in a migration (--dname) or be given to another guest later. On each host the name therefore means the guest that
 * last carried it there, else the first that will; a name that this host never tied to a UUID is looked up on
 * the others, where it must be unique.
 */
export class GuestNames {
  /** the only guest of the family, whatever it is called; null where there are several */
  private readonly only: string | null;
  private readonly onHost = new Map<string, Map<ByteText, { position: number; uuid: string }[]>>();
  private readonly anywhere = new Map<ByteText, Set<string>>();
  private readonly nameOf = new Map<string, ByteText>();
  private readonly namedOn = new Map<string, Set<string>>();

  constructor(family: Family, records: readonly HostRecord[]) {
    const [uuid] = family.uuids;
    const [name] = family.names;
    this.only = onlyGuestOf(family);
    if (this.only !== null) {
      if (uuid !== undefined && name !== undefined)
        this.nameOf.set(uuid, [...family.names].sort()[0] as ByteText);
      return;
    }
    this.learn(records);
    for (const record of records) {
      const guests = new Set<string>();
      for (const position of record.own) {
        for (const guest of guestsNamedBy(record.events[position] as HostRecord['events'][number])) {
          const key = this.key(record.host, position, guest);
          if (key !== null) guests.add(key);
        }
      }
      this.namedOn.set(record.host, guests);
    }
  }

  private learn(records: readonly HostRecord[]): void {
    for (const record of records) {
      const names = new Map<ByteText, { position: number; uuid: string }[]>();
      this.onHost.set(record.host, names);
      for (const position of record.own) {
        for (const { uuid, name } of guestsNamedBy(record.events[position] as HostRecord['events'][number])) {
          if (uuid === null || name === null) continue;
          const uses = getOrMake(names, name, () => []);
          if (uses.at(-1)?.uuid !== uuid) uses.push({ position, uuid });
          getOrMake(this.anywhere, name, () => new Set()).add(uuid);
        }
      }
    }
    for (const [name, uuids] of [...this.anywhere].sort(([a], [b]) => (a < b ? -1 : 1))) {
      for (const uuid of uuids) if (!this.nameOf.has(uuid)) this.nameOf.set(uuid, name);
    }
  }

  /** Stable key of the guest: its UUID, or its name where no record ever tied one to it. */
  key(host: string, position: number, guest: GuestName): string | null {
    if (guest.uuid !== null) return guest.uuid;
    if (guest.name === null) return null;
    if (this.only !== null) return this.only;
    const uses = this.onHost.get(host)?.get(guest.name);
    if (uses) {
      const last = uses.findLast((use) => use.position <= position) ?? uses[0];
      if (last) return last.uuid;
    }
    const uuids = this.anywhere.get(guest.name);
    if (uuids?.size === 1) return [...uuids][0] as string;
    return `${NAME_ONLY}${guest.name}`;
  }

  /** Guests that a host's record names, of a family of several. */
  guestsOf(host: string): ReadonlySet<string> {
    return this.namedOn.get(host) ?? NOBODY;
  }

  ref(key: string): GuestRef {
    if (key.startsWith(NAME_ONLY)) return { uuid: null, name: key.slice(NAME_ONLY.length) };
    return { uuid: key, name: this.nameOf.get(key) ?? null };
  }
}

/** The key of the only guest of a family, whatever it is called; null where there are several. */
export function onlyGuestOf({ uuids, names }: Family): string | null {
  const [uuid] = uuids;
  const [name] = names;
  return uuids.size > 1 ? null : (uuid ?? `${NAME_ONLY}${name}`);
}

const NAME_ONLY = 'name:';

const NOBODY: ReadonlySet<string> = new Set();
