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
  /** a forest over hashes: 0 for a root, else the parent plus one */
  private readonly parents = new Uint32Array(HASHES);
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
            if (!name.endsWith('/')) this.unite(hashOfName(mount_point), hashOfName(name));
        }
        break;
      default:
        return; // the rest names no file that a relabel could be tied by
    }
    this.wanted = null;
  }

  /** False only for a relabel that no verdict can rest on. */
  matters(event: Event): boolean {
    if (event.kind !== 'RelabelObserved') return true;
    const { body } = event;
    this.wanted ??= new Set([...this.imageNames].map((hash) => this.find(hash)));
    if (body.inode !== null && this.wanted.has(this.find(hashOfInode(body.inode)))) return true;
    const told = isNamed(body) || body.path_quality === 'relative-to-unknown-dirfd';
    return told && body.path !== null && this.wanted.has(this.find(hashOfName(body.path)));
  }

  private tie({ path, inode }: RelabelObserved | AccessDenied): void {
    if (path !== null && inode !== null) this.unite(hashOfName(path), hashOfInode(inode));
  }

  private unite(a: number, b: number): void {
    const [rootA, rootB] = [this.find(a), this.find(b)];
    if (rootA !== rootB) this.parents[rootA] = rootB + 1;
  }

  private find(hash: number): number {
    const { parents } = this;
    let at = hash;
    for (let up = parents[at] as number; up !== 0; up = parents[at] as number) {
      const above = parents[up - 1] as number;
      if (above !== 0) parents[at] = above; // halves the path
      at = up - 1;
    }
    return at;
  }
}

/**
 * 64 MiB that are touched only where something is learnt. Up to about 8 million different files that were relabelled,
 * hashes that fall together by chance tie each to a few others; far beyond, they would tie all to all, and everything
 * would matter.
 */
const HASHES = 1 << 24;

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
