import type { ByteText } from '../domain/byte-text.js';
import type { AssignedImage } from '../events/event.js';
import type { GuestNames } from './guest-names.js';
import type { HostRecord } from './host-record.js';

/** One use of an image by a guest, as one host stated it. */
export interface ImageUse {
  guest: string;
  host: string;
  image: AssignedImage;
  path: ByteText;
}

/** An image with all who use it, as far as is known at the time. */
export interface ImageFile {
  /** stable identity of the file within this set of events */
  id: string;
  /** a name of it, for people */
  path: ByteText | null;
  uses: readonly ImageUse[];
}

/** How sure the match of a call with an image is. */
export type Match = 'identity' | 'name' | 'server-name';

/** The images of a family's guests, and which of the guests have at least one complete list of theirs. */
export function imagesOf(
  records: readonly HostRecord[],
  names: GuestNames,
): { uses: ImageUse[]; complete: Set<string> } {
  const uses: ImageUse[] = [];
  const complete = new Set<string>();
  for (const record of records) {
    for (const position of record.own) {
      const event = record.events[position];
      if (event?.kind !== 'ImageAssigned') continue;
      const guest = names.key(record.host, position, event.body.guest);
      if (guest === null) continue;
      if (event.body.complete) complete.add(guest);
      for (const image of event.body.images) {
        if (image.path === null || image.source === 'network' || image.source === 'volume') continue;
        uses.push({ guest, host: record.host, image, path: image.path });
      }
    }
  }
  if (uses.length > 0) uses.push(...usesElsewhere(uses, records, names));
  return { uses: uses.sort(compareUses), complete };
}

/** A guest keeps the paths of its images when it moves: what one host stated holds on every host that had it. */
function usesElsewhere(
  stated: readonly ImageUse[],
  records: readonly HostRecord[],
  names: GuestNames,
): ImageUse[] {
  const known = new Set(stated.map((use) => `${use.guest}\n${use.host}\n${use.path}`));
  const derived: ImageUse[] = [];
  for (const record of records) {
    const guests = names.guestsOf(record);
    for (const use of stated) {
      if (!guests.has(use.guest)) continue;
      const key = `${use.guest}\n${record.host}\n${use.path}`;
      if (known.has(key)) continue;
      known.add(key);
      derived.push({ ...use, host: record.host });
    }
  }
  return derived;
}

export function compareUses(a: ImageUse, b: ImageUse): number {
  const isNear = a.guest === b.guest && a.host === b.host;
  const keyOf = ({ guest, host, path, image }: ImageUse) =>
    isNear ? `${path}\n${image.role}` : `${guest}\n${host}\n${path}\n${image.role}`;
  const [keyA, keyB] = [keyOf(a), keyOf(b)];
  return keyA < keyB ? -1 : keyA > keyB ? 1 : 0;
}
