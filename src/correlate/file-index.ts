import type { ByteText } from '../domain/byte-text.js';
import { getOrMake } from '../domain/group.js';
import type { Family } from './family.js';
import type { FileCall } from './file-call.js';
import {
  baseName,
  directoryOf,
  type FileEvent,
  FileKeys,
  inodeKey,
  isInodeKey,
  isNamedInUnknownDirectory,
  usablePath,
} from './file-keys.js';
import type { GivenLabels } from './given-labels.js';
import { compareUses, type ImageFile, type ImageUse, type Match } from './images.js';
import { isDoubtful } from './judge.js';
import type { Storage, StorageMap } from './storage.js';
import { WALK_US, type Walk, Walks } from './walks.js';

/** One file, as far as records tie its names and identities together. */
interface Node {
  /** none while no guest is known to use it: then it is no image */
  uses: Map<Family, ImageUse[]>;
  /** last parts of the names it is used under */
  names: Set<string>;
  /** calls that are on it */
  calls: Set<FileCall>;
  /** calls that one of its keys is told by */
  candidates: Set<FileCall>;
  /** made when it is asked for, until anything changes */
  file: ImageFile | null;
  /** what verdicts can rest on, as it was when its users were last told */
  told: string;
}

/** A file with its users and the calls on it. */
export interface UsedFile {
  key: string;
  uses: ReadonlyMap<Family, readonly ImageUse[]>;
  calls: ReadonlySet<FileCall>;
}

/** Images of which nothing says where they lie are one file that no key leads to. */
const NOWHERE = '';

/**
 * Which file is which. Records that state both an identity and a name of a file tie them together. Names alone identify
 * files that no record ever gave an inode; the last part of a name identifies a file only when the directory is
 * unknown and nothing contradicts.
 *
 * Ties are never taken back: where they would have to be (a host's mounts have changed, a name turned out to be of two
 * guests) the index is made anew.
 */
export class FileIndex {
  private readonly keys: FileKeys;
  private readonly given: GivenLabels;
  private readonly parent = new Map<string, string>();
  private readonly nodes = new Map<string, Node>();
  private readonly hasInode = new Set<string>();
  /** keys of files that are used under a name with this last part */
  private readonly byBaseName = new Map<string, Set<string>>();
  private readonly namedCalls = new Map<string, FileCall[]>();
  /** those calls by the process that made them, and the processes of which more is known */
  private readonly walks = new Walks();
  private readonly walksToMatch = new Set<Walk>();
  private readonly usersOfPath = new Map<ByteText, Set<Family>>();
  /** first key of each use that a family stated */
  private readonly statedBy = new Map<Family, Map<string, ImageUse[]>>();
  /** where each family said that its images lie, by host and path */
  private readonly places = new Map<Family, Set<string>>();
  private readonly changed = new Set<string>();
  private readonly toMatch = new Set<FileCall>();
  readonly doubtful = new Set<FileCall>();
  private doubtfulGone = false;

  constructor(storages: StorageMap, given: GivenLabels) {
    this.keys = new FileKeys(storages);
    this.given = given;
  }

  addCall(call: FileCall): void {
    const event = call.entry.event as FileCall['event'];
    call.event = event;
    call.keys = this.keys.ofEvent(event.host, event);
    call.file = null;
    call.isDoubtful = false;
    this.tie(call.keys);
    for (const key of call.keys) this.nodeOf(key).candidates.add(call);
    call.formerKeys = this.keys.ofFormerMounts(event.host, event);
    for (const key of call.formerKeys) this.nodeOf(key).candidates.add(call);
    if (isNamedInUnknownDirectory(event)) {
      getOrMake(this.namedCalls, baseName(event.body.path as ByteText), () => []).push(call);
      this.walksToMatch.add(this.walks.add(call));
    }
    this.toMatch.add(call);
  }

  addDenial(event: FileEvent): void {
    this.tie(this.keys.ofEvent(event.host, event));
  }

  /** @returns false when a tie would have to be taken back: then the index has to be made anew */
  setUses(family: Family, uses: readonly ImageUse[]): boolean {
    const stated = new Map<string, ImageUse[]>();
    const places = new Set(uses.map(({ host, path }) => `${host}\n${path}`));
    for (const place of this.places.get(family) ?? []) if (!places.has(place)) return false;
    for (const use of uses) {
      const [first = NOWHERE, ...others] = this.keys.ofPath(use.host, use.path);
      getOrMake(stated, first, () => []).push(use);
      for (const other of others) this.union(first, other);
      getOrMake(this.usersOfPath, use.path, () => new Set()).add(family);
      getOrMake(this.byBaseName, baseName(use.path), () => new Set()).add(first);
    }
    this.places.set(family, places);
    this.statedBy.set(family, stated);
    const byRoot = new Map<string, ImageUse[]>();
    for (const [key, list] of stated) getOrMake(byRoot, this.find(key), () => []).push(...list);
    for (const [root, list] of byRoot) {
      const node = this.nodeOf(root);
      node.uses.set(family, list.sort(compareUses));
      for (const { path } of list) node.names.add(baseName(path));
      this.touch(root);
    }
    return true;
  }

  /** A guest of the family was given another label, which those who share its files may be judged by. */
  labelOtherwise(family: Family): void {
    for (const key of this.statedBy.get(family)?.keys() ?? []) this.changed.add(key);
  }

  /** The loser's uses become the winner's. */
  merge(winner: Family, loser: Family): void {
    for (const key of this.statedBy.get(loser)?.keys() ?? []) {
      const node = this.nodeOf(key);
      const uses = node.uses.get(loser);
      if (uses === undefined) continue;
      node.uses.delete(loser);
      node.uses.set(winner, [...(node.uses.get(winner) ?? []), ...uses]);
      for (const { path } of uses) this.usersOfPath.get(path)?.delete(loser);
      for (const { path } of uses) this.usersOfPath.get(path)?.add(winner);
      this.touch(key);
    }
    const stated = getOrMake(this.statedBy, winner, () => new Map());
    for (const [key, uses] of this.statedBy.get(loser) ?? []) getOrMake(stated, key, () => []).push(...uses);
    const places = getOrMake(this.places, winner, () => new Set());
    for (const place of this.places.get(loser) ?? []) places.add(place);
    this.statedBy.delete(loser);
    this.places.delete(loser);
  }

  /**
   * Finds the images of calls anew where anything has changed.
   *
   * @returns families for which a call may now mean something else
   */
  settle(): { families: Set<Family>; areDoubtfulOther: boolean } {
    for (const key of this.changed) this.askAgain(key);
    for (const { calls } of this.walksToMatch) for (const call of calls) this.toMatch.add(call);
    this.walksToMatch.clear();
    const affected = new Set<Node>();
    for (const call of this.toMatch) this.matchAgain(call, affected);
    for (const key of this.changed) {
      const node = this.nodes.get(this.find(key));
      if (node && node.calls.size > 0 && node.told !== this.saidOf(key, node)) affected.add(node);
    }
    this.changed.clear();
    this.toMatch.clear();
    const families = new Set<Family>();
    let areDoubtfulOther = false;
    for (const node of affected) {
      for (const family of node.uses.keys()) families.add(family);
      for (const call of node.calls) {
        const was = call.isDoubtful;
        this.setDoubtful(call, this.isDoubtfulCall(call));
        areDoubtfulOther ||= was || call.isDoubtful;
      }
      const [call] = node.calls;
      if (call) node.told = this.saidOf(call.file as string, node);
    }
    return { families, areDoubtfulOther: areDoubtfulOther || this.takeDoubtfulGone() };
  }

  /** The calls on any of the family's images. */
  callsOf(family: Family): Set<FileCall> {
    const calls = new Set<FileCall>();
    for (const key of this.statedBy.get(family)?.keys() ?? [])
      for (const call of this.nodes.get(this.find(key))?.calls ?? []) calls.add(call);
    return calls;
  }

  /** Everything that the files of a family are known by. */
  keysOf(family: Family): Set<string> {
    const keys = new Set(this.statedBy.get(family)?.keys());
    for (const { keys: others } of this.callsOf(family)) for (const key of others) keys.add(key);
    return keys;
  }

  /** What a file can be known by that a call is on, best first. */
  keysOfCall(event: FileEvent): readonly string[] {
    return this.keys.ofEvent(event.host, event);
  }

  /** Families with an image that is known by any of these. */
  usersOfKeys(keys: readonly string[]): Set<Family> {
    const families = new Set<Family>();
    for (const key of keys)
      for (const family of this.nodes.get(this.find(key))?.uses.keys() ?? []) families.add(family);
    return families;
  }

  /** Files that guests use, each with all calls on it. */
  *used(): Iterable<UsedFile> {
    for (const [key, { uses, calls }] of this.nodes) if (uses.size > 0) yield { key, uses, calls };
  }

  /** All calls on the file of a call, itself among them. */
  callsBeside(call: FileCall): Iterable<FileCall> {
    return call.file === null ? [] : this.nodeOf(call.file).calls;
  }

  /** Families with an image that this may be a name of. */
  usersOf(host: string, path: ByteText): Set<Family> {
    return new Set([
      ...(this.usersOfPath.get(path) ?? []),
      ...this.usersOfKeys(this.keys.ofPath(host, path)),
    ]);
  }

  /** The image that a call is on. */
  fileOf(call: FileCall): ImageFile {
    const root = this.find(call.file as string);
    const node = this.nodeOf(root);
    node.file ??= fileFrom(root, node);
    return node.file;
  }

  private takeDoubtfulGone(): boolean {
    const gone = this.doubtfulGone;
    this.doubtfulGone = false;
    return gone;
  }

  private setDoubtful(call: FileCall, isDoubtful: boolean): void {
    if (call.isDoubtful && !isDoubtful) this.doubtfulGone = true;
    call.isDoubtful = isDoubtful;
    if (isDoubtful) this.doubtful.add(call);
    else this.doubtful.delete(call);
  }

  private isDoubtfulCall(call: FileCall): boolean {
    return (
      call.file !== null && isDoubtful({ event: call.event, storage: call.storage, file: this.fileOf(call) })
    );
  }

  private askAgain(key: string): void {
    const node = this.nodes.get(this.find(key));
    if (node === undefined) return;
    node.file = null;
    for (const call of node.candidates) {
      this.toMatch.add(call);
      const walk = this.walks.of(call);
      if (walk) this.walksToMatch.add(walk);
    }
    if (node.names.size <= this.namedCalls.size) {
      for (const name of node.names)
        for (const call of this.namedCalls.get(name) ?? []) this.toMatch.add(call);
    } else {
      for (const [name, calls] of this.namedCalls)
        if (node.names.has(name)) for (const call of calls) this.toMatch.add(call);
    }
  }

  private matchAgain(call: FileCall, affected: Set<Node>): void {
    const former = call.file === null ? undefined : this.nodes.get(this.find(call.file));
    const match = this.match(call);
    const node = match === null ? undefined : this.nodeOf(match.key);
    const isSame =
      node === former &&
      match?.by === call.by &&
      (match?.storage?.key ?? null) === (call.storage?.key ?? null);
    if (match !== null) {
      call.file = match.key;
      call.by = match.by;
      call.storage = match.storage;
    } else call.file = null;
    if ((node === former && node === undefined) || (isSame && node?.calls.has(call))) return;
    former?.calls.delete(call);
    node?.calls.add(call);
    for (const each of [former, node]) if (each) affected.add(each);
    if (node === undefined) this.setDoubtful(call, false);
  }

  private match(call: FileCall): { key: string; by: Match; storage: Storage | null } | null {
    const { event, keys, formerKeys } = call;
    const { storages } = this.keys;
    const storage = this.keys.storageOf(event.host, event);
    for (const key of keys) {
      if (!this.isImage(key, event)) continue;
      const { dev, inode } = event.body;
      const nameless = dev !== null && usablePath(event) === null;
      const parts = nameless ? storages.partsOf(event.host, dev) : [];
      const root = this.find(key);
      const served =
        inode === null ? undefined : parts.find((each) => this.find(inodeKey(each.key, inode)) === root);
      return { key, by: 'identity', storage: served ?? storage };
    }
    const former = formerKeys.find((key) => this.isImage(key, event));
    // it is that file or one of a mount that is not on record: which storage it is on is not known
    if (former !== undefined) return { key: former, by: 'identity', storage: null };
    return isNamedInUnknownDirectory(event) ? this.matchByBaseName(call, storage) : null;
  }

  private isImage(key: string, event: FileEvent): boolean {
    const node = this.nodes.get(this.find(key));
    return node !== undefined && node.uses.size > 0 && !contradictsName(event, node);
  }

  /**
   * A file with the same last name on the same storage, when there is one only and its inode is not known. It may as well
   * be a copy that lies in another directory, so it accuses nobody, unless the process went through the image's own.
   */
  private matchByBaseName(
    call: FileCall,
    storage: Storage | null,
  ): { key: string; by: Match; storage: Storage | null } | null {
    const { event } = call;
    const { path, dev } = event.body;
    const exported = dev === null ? [] : this.keys.storages.partsOf(event.host, dev);
    const possible = new Set([storage?.key, ...exported.map((each) => each.key)]);
    const roots = new Set<string>();
    for (const key of this.byBaseName.get(baseName(path as ByteText)) ?? []) {
      const root = this.find(key);
      const node = this.nodes.get(root);
      if (!node || node.uses.size === 0 || this.hasInode.has(root)) continue;
      if (storage && !allUses(node).some((use) => this.liesOn(use, possible))) continue;
      roots.add(root);
    }
    const [root] = roots;
    if (root === undefined || roots.size > 1) return null;
    const uses = allUses(this.nodeOf(root));
    // what another host uses is no file of this host's own, whether or not the mounts of that host are known
    const isOwn = uses.some((use) => use.host === event.host && this.liesOn(use, new Set([storage?.key])));
    const served = !isOwn && exported[0];
    const by = this.wentThroughDirectoryOf(uses, call) ? 'walk' : 'name';
    return { key: root, by, storage: served || storage };
  }

  /**
   * `chown -R` leaves names without their directory. Where it took another image by its inode, it was in that image's
   * directory; an image that lies beside it was among what it took there. So if it took one file of the name only, that
   * was the image.
   */
  private wentThroughDirectoryOf(uses: readonly ImageUse[], call: FileCall): boolean {
    const { at, body } = call.event;
    if (body.pid === null || body.inode === null) return false;
    const walk = this.walks.of(call);
    if (!walk?.tookOneOfItsName(call)) return false;
    const directories = new Set(uses.map(directoryOfUse));
    return walk.calls.some(
      ({ event, keys }) =>
        event.body.dev === body.dev &&
        Math.abs(event.at - at) <= WALK_US &&
        keys.some(
          (key) =>
            this.isImage(key, event) &&
            allUses(this.nodeOf(key)).some((use) => directories.has(directoryOfUse(use))),
        ),
    );
  }

  private liesOn(use: ImageUse, keys: ReadonlySet<string | undefined>): boolean {
    const { storage } = this.keys.storages.locate(use.host, use.path, null);
    return storage === null || keys.has(storage.key);
  }

  private saidOf(key: string, node: Node): string {
    const root = this.find(key);
    node.file ??= fileFrom(root, node);
    const { path, uses } = node.file;
    const readOnly = uses.every(({ image }) => image.read_only || image.role === 'backing');
    const given = this.given.together(uses.map(({ guest }) => guest));
    return `${readOnly} ${uses.some(({ image }) => image.shareable)} ${path} ${root} ${given}`;
  }

  private tie([first, second]: readonly string[]): void {
    if (first !== undefined && isInodeKey(first) && second !== undefined) this.union(first, second);
  }

  private touch(key: string): void {
    this.changed.add(key);
    const node = this.nodes.get(this.find(key));
    if (node) node.file = null;
  }

  private nodeOf(key: string): Node {
    return getOrMake(this.nodes, this.find(key), emptyNode);
  }

  private find(key: string): string {
    let root = key;
    for (let next = this.parent.get(root); next !== undefined; next = this.parent.get(root)) root = next;
    for (let at = key; at !== root; ) {
      const next = this.parent.get(at) as string;
      if (next !== root) this.parent.set(at, root);
      at = next;
    }
    return root;
  }

  /** The smaller key becomes the root, so that the result does not depend on the order of events. */
  private union(a: string, b: string): void {
    const [rootA, rootB] = [this.find(a), this.find(b)];
    const inode =
      isInodeKey(rootA) || isInodeKey(rootB) || this.hasInode.has(rootA) || this.hasInode.has(rootB);
    const [root, child] = rootA < rootB ? [rootA, rootB] : [rootB, rootA];
    if (root !== child) {
      this.parent.set(child, root);
      const node = this.nodes.get(child);
      this.nodes.delete(child);
      if (node !== undefined) this.nodes.set(root, joined(this.nodes.get(root), node));
    } else if (!inode || this.hasInode.has(root)) return;
    if (inode) this.hasInode.add(root);
    this.touch(root);
  }
}

function emptyNode(): Node {
  return { uses: new Map(), names: new Set(), calls: new Set(), candidates: new Set(), file: null, told: '' };
}

/** The smaller of the two is poured into the other. */
function joined(a: Node | undefined, b: Node): Node {
  if (a === undefined) return { ...b, file: null, told: '' };
  const sizeOf = (node: Node) => node.uses.size + node.calls.size + node.candidates.size;
  const [into, from] = sizeOf(a) >= sizeOf(b) ? [a, b] : [b, a];
  for (const [family, uses] of from.uses)
    into.uses.set(family, [...(into.uses.get(family) ?? []), ...uses].sort(compareUses));
  for (const name of from.names) into.names.add(name);
  for (const call of from.calls) into.calls.add(call);
  for (const call of from.candidates) into.candidates.add(call);
  into.file = null;
  into.told = '';
  return into;
}

function allUses(node: Node): ImageUse[] {
  return node.uses.size === 1
    ? [...node.uses.values()].flat()
    : [...node.uses.values()].flat().sort(compareUses);
}

function fileFrom(id: string, node: Node): ImageFile {
  const uses = allUses(node);
  return { id, path: uses[0]?.path ?? null, uses };
}

function directoryOfUse({ host, path }: ImageUse): string {
  return `${host}\n${directoryOf(path)}`;
}

/** The last part of a name is given and is none of the file's: the inode is another file system's. */
function contradictsName(event: FileEvent, node: Node): boolean {
  return isNamedInUnknownDirectory(event) && !node.names.has(baseName(event.body.path as ByteText));
}
