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
  /** names of which another guest may have come into use since */
  private readonly doubtful = new Set<ByteText>();

  constructor(virsh: Virsh) {
    this.virsh = virsh;
  }

  /** Events went by unseen: nothing that was known need hold. */
  forget(): void {
    this.uuidOf.clear();
    this.doubtful.clear();
  }

  /**
   * @param events in the order in which they came, all that have come so far
   * @returns the same events, with UUIDs where they are certain
   */
  async resolved(events: readonly Event[], signal: AbortSignal): Promise<Event[]> {
    const certainFrom = lastChanges(events);
    const asked = this.hasToAsk(events, certainFrom) ? await readNames(this.virsh, signal) : 'not asked';
    const names = typeof asked === 'string' ? new Map<ByteText, string>() : asked;
    if (this.uuidOf.size > NAMES_KEPT_MAX) this.forget();
    return events.map((event, i) => this.resolve(event, i, certainFrom, names));
  }

  /** Nobody has a name that was just taken away: asking about it can wait until it comes up again. */
  private hasToAsk(events: readonly Event[], certainFrom: ReadonlyMap<ByteText, number>): boolean {
    const changed = new Set<ByteText>();
    for (const [i, event] of events.entries()) {
      const key = keyIn(event);
      if (key === null) continue;
      if (isLifecycle(event, GIVEN)) changed.add(key);
      const isKnown = !changed.has(key) && this.uuidOf.has(key) && !this.doubtful.has(key);
      if (!isKnown && !isUndefined(event) && i >= (certainFrom.get(key) ?? 0)) return true;
      if (isLifecycle(event, FREED)) changed.add(key);
    }
    return false;
  }

  private resolve(
    event: Event,
    index: number,
    certainFrom: ReadonlyMap<ByteText, number>,
    names: ReadonlyMap<ByteText, string>,
  ): Event {
    const key = keyIn(event);
    if (key === null) return event;
    const before = this.uuidOf.get(key);
    if (isLifecycle(event, GIVEN)) {
      this.uuidOf.delete(key);
      this.doubtful.delete(key);
    }
    if (isUndefined(event)) return withUuid(event, before);
    // the answer was given after all of these events, so it holds from the last one on that could have changed it
    const answer = index >= (certainFrom.get(key) ?? 0) ? names.get(key) : undefined;
    if (answer !== undefined && (this.doubtful.delete(key) || !this.uuidOf.has(key)))
      this.uuidOf.set(key, answer);
    const uuid = this.doubtful.has(key) ? undefined : this.uuidOf.get(key);
    if (uuid !== undefined && isLifecycle(event, FREED)) this.doubtful.add(key);
    return withUuid(event, uuid);
  }
}

/** Where in the list each name was last given to a guest, or taken from one. */
function lastChanges(events: readonly Event[]): Map<ByteText, number> {
  const last = new Map<ByteText, number>();
  for (const [i, event] of events.entries()) {
    const key = keyIn(event);
    if (key === null) continue;
    if (isLifecycle(event, GIVEN)) last.set(key, i);
    // the event itself is still about the guest that had it
    else if (isLifecycle(event, FREED)) last.set(key, i + 1);
  }
  return last;
}

/** The name goes over to a guest, or is taken from one, with the event. A rename is `Undefined Renamed`, `Defined Renamed`. */
const GIVEN: ReadonlySet<ByteText> = new Set(['Defined', 'Undefined']);
/** A guest without a definition has its name while it runs: after the event anybody can take it. */
const FREED: ReadonlySet<ByteText> = new Set(['Stopped']);
const COMINGS: ReadonlySet<ByteText> = new Set(['Defined', 'Undefined', 'Started']);

/** A guest came, or is another from here on: what is known of the host's guests is out of date. */
export function changesGuests(event: Event): boolean {
  return isLifecycle(event, COMINGS);
}

function isLifecycle(event: Event, kinds: ReadonlySet<ByteText>): boolean {
  return event.kind === 'LifecycleChanged' && kinds.has(event.body.event);
}

function isUndefined(event: Event): boolean {
  return event.kind === 'LifecycleChanged' && event.body.event === 'Undefined';
}

function keyIn(event: Event): ByteText | null {
  const name = guestIn(event)?.name ?? null;
  return name === null ? null : nameKey(name);
}

function guestIn(event: Event): GuestName | null {
  return (event.body as { guest?: GuestName | null }).guest ?? null;
}

function withUuid(event: Event, uuid: string | undefined): Event {
  const guest = guestIn(event);
  if (uuid === undefined || guest === null) return event;
  return { ...event, body: { ...event.body, guest: { ...guest, uuid } } } as Event;
}
