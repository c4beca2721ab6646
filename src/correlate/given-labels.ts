import { getOrMake } from '../domain/group.js';
import { formatOwner, parseDacLabel } from '../domain/label.js';
import type { EventOf } from '../events/event.js';

const NONE: ReadonlySet<string> = new Set();

/**
 * The owners, as `uid:gid`, that guests' images were to have, as any host stated them. Who shares a file with a guest
 * is told by these what that guest's start may have set, without its records.
 */
export class GivenLabels {
  private readonly byGuest = new Map<string, Set<string>>();

  /** @returns whether the guest was not known to have been given this one */
  add({ body }: EventOf<'GuestLabelAssigned'>): boolean {
    const { uuid } = body.guest;
    const owner = body.image_label === null ? null : parseDacLabel(body.image_label);
    if (uuid === null || owner === null) return false;
    const given = getOrMake(this.byGuest, uuid, () => new Set<string>());
    const { size } = given;
    return given.add(formatOwner(owner)).size > size;
  }

  /** @param guest its UUID */
  to(guest: string): ReadonlySet<string> {
    return this.byGuest.get(guest) ?? NONE;
  }

  /** What several guests were given, in so far as it matters to any one of them what the others were. */
  together(guests: Iterable<string>): string {
    const holders = new Map<string, string>();
    for (const guest of new Set(guests))
      for (const owner of this.to(guest)) holders.set(owner, holders.has(owner) ? 'several' : guest);
    return [...holders]
      .map((pair) => pair.join('='))
      .sort()
      .join(' ');
  }
}
