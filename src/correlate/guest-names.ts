import type { ByteText } from '../domain/byte-text.js';
import { getOrMake } from '../domain/group.js';
import type { GuestRef } from '../domain/report.js';
import type { Event, GuestName } from '../events/event.js';
import type { HostRecord } from './host-record.js';

/**
 * Which guest a record means. Audit records name the UUID; virsh prints names only, and a name can change in a
 * migration (--dname) or be given to another guest later. On each host the name therefore means the guest that
 * last carried it there, else the first that will; a name that this host never tied to a UUID is looked up on
 * the others, where it must be unique.
 */
export class GuestNames {
  private readonly onHost = new Map<string, Map<ByteText, { position: number; uuid: string }[]>>();
  private readonly anywhere = new Map<ByteText, Set<string>>();
  private readonly nameOf = new Map<string, ByteText>();
  private readonly namedOn = new Map<string, Set<string>>();

  constructor(records: readonly HostRecord[]) {
    for (const record of records) {
      const names = new Map<ByteText, { position: number; uuid: string }[]>();
      this.onHost.set(record.host, names);
      for (const [position, event] of record.events.entries()) {
        for (const { uuid, name } of guestsNamedBy(event)) {
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
    for (const record of records) {
      const guests = new Set<string>();
      for (const [position, event] of record.events.entries()) {
        for (const guest of guestsNamedBy(event)) {
          const key = this.key(record.host, position, guest);
          if (key !== null) guests.add(key);
        }
      }
      this.namedOn.set(record.host, guests);
    }
  }

  /** Stable key of the guest: its UUID, or its name where no record ever tied one to it. */
  key(host: string, position: number, guest: GuestName): string | null {
    if (guest.uuid !== null) return guest.uuid;
    if (guest.name === null) return null;
    const uses = this.onHost.get(host)?.get(guest.name);
    if (uses) {
      const last = uses.findLast((use) => use.position <= position) ?? uses[0];
      if (last) return last.uuid;
    }
    const uuids = this.anywhere.get(guest.name);
    if (uuids?.size === 1) return [...uuids][0] as string;
    return `${NAME_ONLY}${guest.name}`;
  }

  /** Guests that the host's own record names. */
  guestsOf(host: string): ReadonlySet<string> {
    return this.namedOn.get(host) ?? new Set();
  }

  ref(key: string): GuestRef {
    if (key.startsWith(NAME_ONLY)) return { uuid: null, name: key.slice(NAME_ONLY.length) };
    return { uuid: key, name: this.nameOf.get(key) ?? null };
  }
}

const NAME_ONLY = 'name:';

export function guestsNamedBy(event: Event): readonly GuestName[] {
  if (event.kind === 'GuestsListed') return event.body.guests.map((listed) => listed.guest);
  const { guest } = event.body as { guest?: GuestName | null };
  return guest ? [guest] : [];
}
