import type { ByteText } from '../../domain/byte-text.js';
import type { Event, GuestName } from '../../events/event.js';
import { nameKey, readNames } from './guests.js';
import type { Virsh } from './virsh.js';

/** A host with more names than this has them looked up again. */
const NAMES_KEPT_MAX = 10_000;

/**
 * virsh prints names, and a name can go over to another guest. Each event is given the UUID of the guest that had the name
 * when the event came: known from before, or asked for when an event says that the name may mean another guest now.
 */
export class NameResolver {
  private readonly virsh: Virsh;
  private readonly uuidOf = new Map<ByteText, string>();

  constructor(virsh: Virsh) {
    this.virsh = virsh;
  }

  /** Events went by unseen: nothing that was known need hold. */
  forget(): void {
    this.uuidOf.clear();
  }

  /**
   * @param events in the order in which they came, all that have come so far
   * @returns the same events, with UUIDs where they are certain
   */
  async resolved(events: readonly Event[], signal: AbortSignal): Promise<Event[]> {
    const unsureUntil = lastRebindings(events);
    const isUnknown = (event: Event) => {
      const name = nameIn(event);
      return name !== null && (unsureUntil.has(nameKey(name)) || !this.uuidOf.has(nameKey(name)));
    };
    // nobody has a name that was just taken away; asking about it can wait until it comes up again
    const worthAsking = events.some((event) => isUnknown(event) && !isUndefined(event));
    const asked = worthAsking ? await readNames(this.virsh, signal) : 'not asked';
    const names = typeof asked === 'string' ? new Map<ByteText, string>() : asked;
    if (this.uuidOf.size > NAMES_KEPT_MAX) this.uuidOf.clear();
    return events.map((event, i) => this.resolve(event, i, unsureUntil, names));
  }

  private resolve(
    event: Event,
    index: number,
    unsureUntil: ReadonlyMap<ByteText, number>,
    names: ReadonlyMap<ByteText, string>,
  ): Event {
    const name = nameIn(event);
    if (name === null) return event;
    const key = nameKey(name);
    const last = unsureUntil.get(key) ?? -1;
    const before = this.uuidOf.get(key);
    if (isRebinding(event)) this.uuidOf.delete(key);
    if (isUndefined(event)) return withUuid(event, before);
    // the answer was given after all of these events, so it holds from the last one on that could have changed it
    if (index >= last && !this.uuidOf.has(key)) {
      const uuid = names.get(key);
      if (uuid !== undefined) this.uuidOf.set(key, uuid);
    }
    return withUuid(event, this.uuidOf.get(key));
  }
}

/** Where in the list each name was last given to a guest, or taken from one. */
function lastRebindings(events: readonly Event[]): Map<ByteText, number> {
  const last = new Map<ByteText, number>();
  for (const [i, event] of events.entries()) {
    const name = nameIn(event);
    if (name !== null && isRebinding(event)) last.set(nameKey(name), i);
  }
  return last;
}

/** A guest without a definition has its name from its start on; a rename is `Undefined Renamed`, `Defined Renamed`. */
const REBINDINGS: ReadonlySet<ByteText> = new Set(['Defined', 'Undefined', 'Started']);

/** The name may mean another guest from here on. */
export function isRebinding(event: Event): boolean {
  return event.kind === 'LifecycleChanged' && REBINDINGS.has(event.body.event);
}

function isUndefined(event: Event): boolean {
  return event.kind === 'LifecycleChanged' && event.body.event === 'Undefined';
}

function nameIn(event: Event): ByteText | null {
  return guestIn(event)?.name ?? null;
}

function guestIn(event: Event): GuestName | null {
  return (event.body as { guest?: GuestName | null }).guest ?? null;
}

function withUuid(event: Event, uuid: string | undefined): Event {
  const guest = guestIn(event);
  if (uuid === undefined || guest === null) return event;
  return { ...event, body: { ...event.body, guest: { ...guest, uuid } } } as Event;
}
