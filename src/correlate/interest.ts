import type { ByteText } from '../domain/byte-text.js';
import type { AccessDenied, Event, EventOf, RelabelObserved } from '../events/event.js';
import { inodeOrPathOf, isInodeKey } from './file-keys.js';

/**
 * Which relabels can concern a guest's image, told before anything is correlated, in memory that does not grow with
 * the log: a `chown -R` of a mail spool is millions of calls that no verdict will ever look at.
 *
 * A call belongs to an image when names and inodes tie it to a path that a guest was given (`ImageMap.match`). Here a
 * name is only its last part and an inode only its number, whatever the storage, and both are only hashes; each of
 * these can but add a tie. What is connected to no image here is therefore connected to none there.
 */
export class ImageInterest {
  private readonly ties = new Forest();
  /** A relabel that was let go matters by now: it has to be read again. */
  isMissing = false;

  /** Takes in what the event says of names and inodes. What matters by it matters ever after. */
  learn(event: Event): void {
    switch (event.kind) {
      case 'ImageAssigned':
        for (const { path } of event.body.images) if (path !== null) this.mark(hashOfName(path), WANTED);
        break;
      case 'RelabelObserved':
        if (isNamed(event.body)) this.tie(event.body);
        break;
      case 'AccessDenied':
        this.tie(event.body);
        break;
      case 'HostFactsRead':
        // where a single file is mounted, it has another name inside of the storage
        for (const { mount_point, root, source } of event.body.mounts ?? []) {
          for (const name of [root, source])
            if (!name.endsWith('/')) this.unite(hashOfName(mount_point), hashOfName(name));
        }
        break;
      // the rest names no file that a relabel could be tied by
    }
  }

  /** What images were known by of which no event is kept (`FileKeys`). */
  learnKeys(keys: readonly string[]): void {
    for (const key of keys) {
      const id = inodeOrPathOf(key);
      this.mark(isInodeKey(key) ? hashOfInode(id) : hashOfName(id), WANTED);
    }
  }

  /** False only for a relabel that no verdict can rest on, by what was learnt so far. */
  matters(event: Event): boolean {
    if (event.kind !== 'RelabelObserved') return true;
    const [inode, name] = hashesOf(event.body);
    return (inode !== null && this.isWanted(inode)) || (name !== null && this.isWanted(name));
  }

  /** The relabel does not matter and is not kept: `isMissing` tells when that was wrong. */
  letGo({ body }: EventOf<'RelabelObserved'>): void {
    for (const hash of hashesOf(body)) if (hash !== null) this.mark(hash, LET_GO);
  }

  private tie({ path, inode }: RelabelObserved | AccessDenied): void {
    if (path !== null && inode !== null) this.unite(hashOfName(path), hashOfInode(inode));
  }

  private isWanted(hash: number): boolean {
    return (this.ties.marksOf(this.ties.rootOf(hash)) & WANTED) !== 0;
  }

  private mark(hash: number, mark: number): void {
    const root = this.ties.rootOf(hash);
    this.ties.mark(root, mark);
    this.isMissing ||= this.ties.marksOf(root) === (WANTED | LET_GO);
  }

  private unite(a: number, b: number): void {
    const root = this.ties.unite(a, b);
    this.isMissing ||= this.ties.marksOf(root) === (WANTED | LET_GO);
  }
}

/** By inode and by name, where these say which file it was. */
function hashesOf(body: RelabelObserved): [inode: number | null, name: number | null] {
  const isTold = isNamed(body) || body.path_quality === 'relative-to-unknown-dirfd';
  return [
    body.inode === null ? null : hashOfInode(body.inode),
    isTold && body.path !== null ? hashOfName(body.path) : null,
  ];
}

/**
 * Up to about 8 million different files that were relabelled, hashes that fall together by chance tie each to a few
 * others; far beyond, they would tie all to all, and everything would matter.
 */
const HASHES = 1 << 24;
const PAGE_BITS = 10;
const PAGE_SIZE = 1 << PAGE_BITS;

/** Of a whole tree, kept at its root: an image's name is in it, or a name or inode of a relabel that was let go. */
const WANTED = 1 << 30;
const LET_GO = 1 << 29;
const PARENT = LET_GO - 1;

/**
 * Which hashes hang together: for each its parent plus one, 0 and its marks for a root. Pages are made when written:
 * 64 MiB at most.
 */
class Forest {
  private readonly pages: (Uint32Array | undefined)[] = Array.from({ length: HASHES / PAGE_SIZE });

  /** @returns the root of both */
  unite(a: number, b: number): number {
    const [rootA, rootB] = [this.rootOf(a), this.rootOf(b)];
    if (rootA === rootB) return rootA;
    const marks = this.marksOf(rootA);
    this.write(rootA, rootB + 1);
    if (marks !== 0) this.mark(rootB, marks);
    return rootB;
  }

  rootOf(hash: number): number {
    let at = hash;
    for (let up = this.parentOf(at); up !== 0; up = this.parentOf(at)) {
      const above = this.parentOf(up - 1);
      if (above !== 0) this.write(at, above); // halves the path
      at = up - 1;
    }
    return at;
  }

  marksOf(root: number): number {
    return this.read(root) & ~PARENT;
  }

  mark(root: number, marks: number): void {
    this.write(root, this.read(root) | marks);
  }

  private parentOf(hash: number): number {
    return this.read(hash) & PARENT;
  }

  private read(hash: number): number {
    return this.pages[hash >>> PAGE_BITS]?.[hash & (PAGE_SIZE - 1)] ?? 0;
  }

  private write(hash: number, value: number): void {
    const index = hash >>> PAGE_BITS;
    const page = this.pages[index] ?? new Uint32Array(PAGE_SIZE);
    this.pages[index] = page;
    page[hash & (PAGE_SIZE - 1)] = value;
  }
}

function isNamed({ path_quality }: RelabelObserved): boolean {
  return path_quality === 'absolute' || path_quality === 'joined';
}

/** The last part of a path. */
function hashOfName(path: ByteText): number {
  return hashOf(path, path.lastIndexOf('/') + 1, 0x811c9dc5);
}

/** Names made of digits are no inodes, so the two begin with different states. */
function hashOfInode(inode: string): number {
  return hashOf(inode, 0, 0x050c5d1f);
}

/** FNV-1a over UTF-16 units, its upper bits folded into the lower ones. */
function hashOf(text: string, from: number, basis: number): number {
  let hash = basis;
  for (let i = from; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 20)) & (HASHES - 1);
}
