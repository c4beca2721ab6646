import type { ByteText } from '../domain/byte-text.js';
import type { AssignedImage, EventOf } from '../events/event.js';

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

/**
 * How a call was tied to an image; by the last part of a name alone it may be a copy that lies elsewhere. `walk`: the same
 * process went through the image's directory, and took no other file of that name.
 */
export type Match = 'identity' | 'walk' | 'name';

/** What a family's guests use, as was stated of them. */
export interface Images {
  /** sorted as `compareUses` does */
  uses: ImageUse[];
  /** guests with at least one complete list of their images */
  complete: Set<string>;
}

/** A host's statements about images, and the guests that it names. */
export interface Statements {
  host: string;
  stated: { guest: string; event: EventOf<'ImageAssigned'> }[];
  guests: ReadonlySet<string>;
}

export function imagesOf(statements: readonly Statements[]): Images {
  const uses: ImageUse[] = [];
  const complete = new Set<string>();
  for (const { host, stated } of statements) {
    for (const { guest, event } of stated) {
      if (event.body.complete) complete.add(guest);
      for (const image of event.body.images) {
        if (image.path === null || image.source === 'network' || image.source === 'volume') continue;
        uses.push({ guest, host, image, path: image.path });
      }
    }
  }
  if (uses.length > 0) uses.push(...usesElsewhere(uses, statements));
  return { uses: uses.sort(compareUses), complete };
}

/** A guest keeps the paths of its images when it moves: what one host stated holds on every host that had it. */
function usesElsewhere(stated: readonly ImageUse[], statements: readonly Statements[]): ImageUse[] {
  const known = new Set(stated.map((use) => `${use.guest}\n${use.host}\n${use.path}`));
  const derived: ImageUse[] = [];
  for (const { host, guests } of statements) {
    for (const use of stated) {
      if (!guests.has(use.guest)) continue;
      const key = `${use.guest}\n${host}\n${use.path}`;
      if (known.has(key)) continue;
      known.add(key);
      derived.push({ ...use, host });
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
