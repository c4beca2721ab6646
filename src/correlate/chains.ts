import { ClockBounds } from './clock-bounds.js';
import type { HostRecord } from './host-record.js';
import type { GuestRecord, Incarnation } from './incarnation.js';

/** Incarnations of one guest in the order in which it was handed from one to the next. */
export type Chain = Incarnation[];

/** One way in which the guest can have gone from host to host. */
export interface Linkage {
  chains: Chain[];
  /** what its hand-overs say about the hosts' clocks */
  bounds: ClockBounds;
  /** successor in a chain, and predecessor */
  next: Map<Incarnation, Incarnation>;
  previous: Map<Incarnation, Incarnation>;
}

/** Where many hosts hand one guest around, the search stops here and what hangs on the order stays open. */
const SEARCH_STEPS_MAX = 4_000;
const LINKAGES_MAX = 24;

/**
 * Ties every incarnation that took the guest over to the one that handed it over. On each host the order is known,
 * a guest leaves before it returns, and it goes nowhere but to another host.
 *
 * With two hosts there is one way; with more there can be several, and then all are given: a verdict must hold in
 * each of them. Those come first that some constant difference of the hosts' clocks explains, and of these the one
 * that asks least of the clocks, for naming hosts to people: a clock that was set meanwhile explains the wrong one.
 */
export function linkages(
  guestRecords: readonly GuestRecord[],
  records: ReadonlyMap<string, HostRecord>,
): { all: Linkage[]; exhausted: boolean } {
  const hosts = [...guestRecords].sort((a, b) => (a.host < b.host ? -1 : 1));
  const owned = hosts.map((record) => record.incarnations.filter((incarnation) => incarnation.owns !== null));
  const untimed = new LinkageSearch(owned, records, false).run();
  if (untimed.found.length === 1) return { all: untimed.found, exhausted: untimed.exhausted };
  const timed = new LinkageSearch(owned, records, true).run();
  const likely = timed.unlinked > untimed.unlinked ? [] : timed.found;
  const others = untimed.found.filter((each) => !likely.some((other) => isSame(each, other)));
  const byClocks = (a: Linkage, b: Linkage) => disagreement(a, records) - disagreement(b, records);
  return { all: [...likely.sort(byClocks), ...others.sort(byClocks)], exhausted: untimed.exhausted };
}

function isSame(a: Linkage, b: Linkage): boolean {
  return a.next.size === b.next.size && [...a.next].every(([from, to]) => b.next.get(from) === to);
}

class LinkageSearch {
  found: Linkage[] = [];
  /** incarnations that were handed in and have no predecessor, in the best linkages */
  unlinked = Number.POSITIVE_INFINITY;
  exhausted = false;
  private steps = 0;
  /** what has been chosen so far: the last chain is still open for continuation */
  private readonly chains: Chain[] = [];
  private readonly used = new Set<Incarnation>();
  private readonly owned: readonly Incarnation[][];
  private readonly records: ReadonlyMap<string, HostRecord>;
  private readonly timed: boolean;
  private readonly heads: Incarnation[];
  /** incarnations that surely begin a chain */
  private readonly chainsBegun: number;

  constructor(owned: readonly Incarnation[][], records: ReadonlyMap<string, HostRecord>, timed: boolean) {
    this.owned = owned;
    this.records = records;
    this.timed = timed;
    const inOrder = owned.flat();
    // a guest whose taking over is on record continues a chain; only what is left over begins one
    const begun = inOrder.filter((each) => !wasHandedIn(each));
    this.heads = [...begun, ...inOrder.filter(wasHandedIn)];
    this.chainsBegun = begun.length;
  }

  /** Depth first, on a stack of our own: a guest can have had more incarnations than calls fit on the engine's. */
  run(): this {
    const stack = [this.search(new ClockBounds())];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { done, value } = top.next();
      if (done) stack.pop();
      else stack.push(this.search(value));
    }
    return this;
  }

  /** Makes one choice after the other, yields for the search to go on from each, and takes it back. */
  private *search(bounds: ClockBounds): Generator<ClockBounds, void> {
    const isSpent = this.steps++ > SEARCH_STEPS_MAX && this.found.length > 0;
    if (isSpent || this.found.length >= LINKAGES_MAX) {
      this.exhausted = true;
      return;
    }
    const chain = this.chains.at(-1);
    const tail = chain?.at(-1);
    let continued = false;
    if (chain && tail && wasHandedOut(tail)) {
      for (const next of this.candidates(chain)) {
        const tightened = this.timed ? new ClockBounds(bounds) : bounds;
        if (this.timed && !this.order(tightened, tail, next)) continue;
        continued = true;
        chain.push(next);
        this.used.add(next);
        yield tightened;
        this.used.delete(next);
        chain.pop();
      }
    }
    if (continued && !mayHaveKept(tail as Incarnation)) return;
    const head = this.heads.find((each) => !this.used.has(each));
    if (!head) {
      this.keep(bounds);
      return;
    }
    this.chains.push([head]);
    this.used.add(head);
    yield bounds;
    this.used.delete(head);
    this.chains.pop();
  }

  /**
   * What the chain can go on with. One chain uses the incarnations of a host in their order; another chain may lie
   * between them, so while further chains can come, later ones are tried as well.
   */
  private *candidates(chain: Chain): Iterable<Incarnation> {
    const tail = chain.at(-1) as Incarnation;
    const moreChains =
      this.heads.some((each) => !this.used.has(each) && !wasHandedIn(each)) || this.chainsBegun > 1;
    for (const list of this.owned) {
      const host = list[0]?.host;
      if (host === tail.host) continue;
      const last = chain.findLast((each) => each.host === host);
      const later = last === undefined ? list : list.slice(list.indexOf(last) + 1);
      const open = later.filter((each) => wasHandedIn(each) && !this.used.has(each));
      for (const next of moreChains ? open : open.slice(0, 1)) if (isAlike(tail, next)) yield next;
    }
  }

  private keep(bounds: ClockBounds): void {
    const chains = this.chains.map((chain) => [...chain]);
    const unlinked = chains.filter((chain) => wasHandedIn(chain[0] as Incarnation)).length;
    if (unlinked > this.unlinked) return;
    if (unlinked < this.unlinked) this.found = [];
    this.unlinked = unlinked;
    const next = new Map<Incarnation, Incarnation>();
    const previous = new Map<Incarnation, Incarnation>();
    for (const chain of chains) {
      for (let i = 1; i < chain.length; i++) {
        next.set(chain[i - 1] as Incarnation, chain[i] as Incarnation);
        previous.set(chain[i] as Incarnation, chain[i - 1] as Incarnation);
      }
    }
    this.found.push({ chains, bounds, next, previous });
  }

  /** Adds what a hand-over orders; false when no clocks could have shown it. */
  private order(bounds: ClockBounds, source: Incarnation, destination: Incarnation): boolean {
    const [from, to] = [this.records.get(source.host), this.records.get(destination.host)];
    const handOver = source.handOvers.at(-1);
    if (!from || !to || !handOver) return true;
    const { stopped, ready, tookOver, confirmed } = momentsOf(source, destination, from, to);
    if (ready !== undefined && stopped !== undefined && !bounds.before(to.host, ready, from.host, stopped))
      return false;
    if (tookOver === undefined) return true;
    if (
      stopped !== undefined &&
      handOver.from !== handOver.to &&
      !bounds.before(from.host, stopped, to.host, tookOver)
    ) {
      return false;
    }
    return confirmed === undefined || bounds.before(to.host, tookOver, from.host, confirmed);
  }
}

/** The moments of a hand-over, each on the clock of its host; undefined where not recorded. */
function momentsOf(source: Incarnation, destination: Incarnation, from: HostRecord, to: HostRecord) {
  const time = (record: HostRecord, position: number | null | undefined) =>
    position === null || position === undefined ? undefined : record.times[position];
  return {
    stopped: time(from, source.handOvers.at(-1)?.from),
    ready: time(to, destination.started),
    tookOver: destination.tookOverAt === 'exactly' ? time(to, destination.owns) : undefined,
    confirmed: source.endReason === 'migrated' && !source.endUnseen ? time(from, source.ended) : undefined,
  };
}

/** How far apart the clocks would have to be, summed over the hand-overs; µs. */
function disagreement(linkage: Linkage, records: ReadonlyMap<string, HostRecord>): number {
  let sum = 0;
  for (const [source, destination] of linkage.next) {
    const [from, to] = [records.get(source.host), records.get(destination.host)];
    if (!from || !to) continue;
    const { stopped, tookOver } = momentsOf(source, destination, from, to);
    if (stopped !== undefined && tookOver !== undefined) sum += Math.abs(tookOver - stopped);
  }
  return sum;
}

/** Post-copy shows on both sides. */
function isAlike(source: Incarnation, destination: Incarnation): boolean {
  const handOver = source.handOvers.at(-1);
  return (
    !destination.resumedPostCopy ||
    handOver === undefined ||
    handOver.postCopy ||
    handOver.from === handOver.to
  );
}

/** Did this incarnation begin by taking the guest over? */
export function wasHandedIn(incarnation: Incarnation): boolean {
  return incarnation.kind === 'incoming' || (incarnation.kind === 'unknown' && incarnation.ownsEarlier);
}

/** A hand-over that was never confirmed may have failed: the guest went on where it was, though nothing says so. */
function mayHaveKept(incarnation: Incarnation): boolean {
  return incarnation.handOvers.at(-1)?.result === 'open';
}

/** Did it end by handing the guest over, as far as this host can tell? */
function wasHandedOut(incarnation: Incarnation): boolean {
  const handOver = incarnation.handOvers.at(-1);
  return handOver !== undefined && handOver.result !== 'resumed';
}
