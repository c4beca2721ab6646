import type { ByteText } from '../domain/byte-text.js';
import type { AccessDenied, Event, RelabelObserved } from '../events/event.js';

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
  private readonly imageNames = new Set<number>();
  /** roots of the image names; null after something was learnt */
  private wanted: Set<number> | null = null;

  /** Takes in what the event says of names and inodes. All events of all hosts must be learnt before any is asked about. */
  learn(event: Event): void {
    switch (event.kind) {
      case 'ImageAssigned':
        for (const { path } of event.body.images) if (path !== null) this.imageNames.add(hashOfName(path));
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
            if (!name.endsWith('/')) this.ties.unite(hashOfName(mount_point), hashOfName(name));
        }
        break;
      default:
        return; // the rest names no file that a relabel could be tied by
    }
    this.wanted = null;
  }

  /** What images were known by of which no event is kept (`FileKeys`). */
  learnKeys(keys: readonly string[]): void {
    for (const key of keys) {
      const inode = key.lastIndexOf('#');
      const isInode = inode >= 0 && /^\d+$/.test(key.slice(inode + 1));
      this.imageNames.add(isInode ? hashOfInode(key.slice(inode + 1)) : hashOfName(key));
    }
    this.wanted = null;
  }

  /** False only for a relabel that no verdict can rest on. */
  matters(event: Event): boolean {
    if (event.kind !== 'RelabelObserved') return true;
    const { body } = event;
    this.wanted ??= new Set([...this.imageNames].map((hash) => this.ties.rootOf(hash)));
    if (body.inode !== null && this.wanted.has(this.ties.rootOf(hashOfInode(body.inode)))) return true;
    const told = isNamed(body) || body.path_quality === 'relative-to-unknown-dirfd';
    return told && body.path !== null && this.wanted.has(this.ties.rootOf(hashOfName(body.path)));
  }

  private tie({ path, inode }: RelabelObserved | AccessDenied): void {
    if (path !== null && inode !== null) this.ties.unite(hashOfName(path), hashOfInode(inode));
  }
}

/**
 * Up to about 8 million different files that were relabelled, hashes that fall together by chance tie each to a few
 * others; far beyond, they would tie all to all, and everything would matter.
 */
const HASHES = 1 << 24;
const PAGE_BITS = 10;
const PAGE_SIZE = 1 << PAGE_BITS;

/** Which hashes hang together: for each its parent plus one, 0 for a root. Pages are made when written: 64 MiB at most. */
class Forest {
  private readonly pages: (Uint32Array | undefined)[] = Array.from({ length: HASHES / PAGE_SIZE });

  unite(a: number, b: number): void {
    const [rootA, rootB] = [this.rootOf(a), this.rootOf(b)];
    if (rootA !== rootB) this.setParent(rootA, rootB + 1);
  }

  rootOf(hash: number): number {
    let at = hash;
    for (let up = this.parentOf(at); up !== 0; up = this.parentOf(at)) {
      const above = this.parentOf(up - 1);
      if (above !== 0) this.setParent(at, above); // halves the path
      at = up - 1;
    }
    return at;
  }

  private parentOf(hash: number): number {
    return this.pages[hash >>> PAGE_BITS]?.[hash & (PAGE_SIZE - 1)] ?? 0;
  }

  private setParent(hash: number, parent: number): void {
    const index = hash >>> PAGE_BITS;
    const page = this.pages[index] ?? new Uint32Array(PAGE_SIZE);
    this.pages[index] = page;
    page[hash & (PAGE_SIZE - 1)] = parent;
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
