import { ClockBounds } from './clock-bounds.js';
import type { HostRecord } from './host-record.js';
import type { GuestRecord, Incarnation } from './incarnations.js';

/** Incarnations of one guest in the order in which it was handed from one to the next. */
export type Chain = Incarnation[];

/** Bounds the search where many hosts hand one guest around. */
const SEARCH_STEPS_MAX = 20_000;

/**
 * Ties every incarnation that took the guest over to the one that handed it over. On each host the order is known,
 * a guest leaves before it returns, and it goes nowhere but to another host; of the orders that are left, one is
 * taken that some constant difference of the hosts' clocks explains. Where several are, the first in the order of
 * host names is taken, which is the same whatever order the events came in.
 */
export function linkChains(
  guestRecords: readonly GuestRecord[],
  records: ReadonlyMap<string, HostRecord>,
): { chains: Chain[]; bounds: ClockBounds } {
  const hosts = [...guestRecords].sort((a, b) => (a.host < b.host ? -1 : 1));
  const owned = hosts.map((record) => record.incarnations.filter((incarnation) => incarnation.owns !== null));
  const search = new ChainSearch(owned, records);
  const inOrder = owned.flat();
  const chains: Chain[] = [];
  // a guest whose taking over is on record continues a chain; only what is left over begins one
  for (const head of [...inOrder.filter((each) => !wasHandedIn(each)), ...inOrder.filter(wasHandedIn)]) {
    if (!search.used.has(head)) chains.push(search.chainFrom(head));
  }
  return { chains, bounds: search.bounds };
}

class ChainSearch {
  readonly used = new Set<Incarnation>();
  bounds = new ClockBounds();
  private readonly owned: readonly Incarnation[][];
  private readonly records: ReadonlyMap<string, HostRecord>;
  private steps = 0;

  constructor(owned: readonly Incarnation[][], records: ReadonlyMap<string, HostRecord>) {
    this.owned = owned;
    this.records = records;
  }

  chainFrom(head: Incarnation): Chain {
    this.steps = SEARCH_STEPS_MAX;
    const timed = this.longest([head], this.bounds, true);
    this.steps = SEARCH_STEPS_MAX;
    // clocks that were set meanwhile explain no order at all: then the order on each host alone has to do
    const untimed = this.longest([head], this.bounds, false);
    const best = untimed.chain.length > timed.chain.length ? untimed : timed;
    this.bounds = best.bounds;
    for (const incarnation of best.chain) this.used.add(incarnation);
    return best.chain;
  }

  /** The continuation that ties most incarnations, each host's in their order. */
  private longest(chain: Chain, bounds: ClockBounds, timed: boolean): { chain: Chain; bounds: ClockBounds } {
    let best = { chain, bounds };
    const tail = chain.at(-1) as Incarnation;
    if (!wasHandedOut(tail)) return best;
    for (const list of this.owned) {
      if (list[0]?.host === tail.host) continue;
      const next = list.find((each) => wasHandedIn(each) && !this.used.has(each) && !chain.includes(each));
      if (!next || this.steps-- <= 0 || !isAlike(tail, next)) continue;
      const tightened = new ClockBounds(bounds);
      const possible = this.order(tightened, tail, next);
      if (timed && !possible) continue;
      const found = this.longest([...chain, next], timed ? tightened : bounds, timed);
      if (found.chain.length > best.chain.length) best = found;
    }
    return best;
  }

  /** Adds what a hand-over orders; false when no clocks could have shown it. */
  private order(bounds: ClockBounds, source: Incarnation, destination: Incarnation): boolean {
    const [from, to] = [this.records.get(source.host), this.records.get(destination.host)];
    const handOver = source.handOvers.at(-1);
    if (!from || !to || !handOver) return true;
    const time = (record: HostRecord, position: number | null) => (position === null ? undefined : record.times[position]);
    const stopped = time(from, handOver.from);
    const ready = time(to, destination.started);
    const tookOver = destination.tookOverAt === 'exactly' ? time(to, destination.owns) : undefined;
    const confirmed = source.endReason === 'migrated' && !source.endUnseen ? time(from, source.ended) : undefined;
    let possible = true;
    if (ready !== undefined && stopped !== undefined) possible &&= bounds.before(to.host, ready, from.host, stopped);
    if (tookOver !== undefined) {
      const stopSeen = handOver.from !== handOver.to;
      if (stopped !== undefined && stopSeen) possible &&= bounds.before(from.host, stopped, to.host, tookOver);
      if (confirmed !== undefined) possible &&= bounds.before(to.host, tookOver, from.host, confirmed);
    }
    return possible;
  }
}

/** Post-copy shows on both sides. */
function isAlike(source: Incarnation, destination: Incarnation): boolean {
  const postCopy = source.handOvers.at(-1)?.postCopy ?? false;
  return !destination.resumedPostCopy || postCopy || source.handOvers.at(-1)?.from === source.ended;
}

/** Did this incarnation begin by taking the guest over? */
function wasHandedIn(incarnation: Incarnation): boolean {
  return incarnation.kind === 'incoming' || (incarnation.kind === 'unknown' && incarnation.ownsEarlier);
}

/** Did it end by handing the guest over, as far as this host can tell? */
function wasHandedOut(incarnation: Incarnation): boolean {
  const handOver = incarnation.handOvers.at(-1);
  return handOver !== undefined && handOver.result !== 'resumed';
}
