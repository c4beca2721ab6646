import type { GuestRecord, Incarnation } from './incarnations.js';

/** Incarnations of one guest in the order in which it was handed from one to the next. */
export type Chain = Incarnation[];

/**
 * Ties every incarnation that took the guest over to the one that handed it over, without clocks: on each host the
 * order is known, a guest leaves before it returns, and it goes nowhere but to another host.
 *
 * Two hosts leave one way to do it. With more hosts there can be several; then the one that is found first in the
 * order of host names is taken, which is the same whatever order the events came in.
 */
export function linkChains(records: readonly GuestRecord[]): Chain[] {
  const hosts = [...records].sort((a, b) => (a.host < b.host ? -1 : 1));
  const owned = hosts.map((record) => record.incarnations.filter((incarnation) => incarnation.owns !== null));
  const heads: Incarnation[] = [];
  for (const list of owned) for (const incarnation of list) if (!wasHandedIn(incarnation)) heads.push(incarnation);
  const used = new Set<Incarnation>();
  const chains: Chain[] = [];
  for (const head of heads) {
    if (used.has(head)) continue;
    const chain = extend([head], owned, used, { steps: SEARCH_STEPS_MAX }) ?? [head];
    for (const incarnation of chain) used.add(incarnation);
    chains.push(chain);
  }
  for (const list of owned) {
    for (const incarnation of list) {
      if (used.has(incarnation)) continue;
      // taken over from a host whose record we do not have
      const chain = extend([incarnation], owned, used, { steps: SEARCH_STEPS_MAX }) ?? [incarnation];
      for (const each of chain) used.add(each);
      chains.push(chain);
    }
  }
  return chains;
}

/** Bounds the search where many hosts hand one guest around. */
const SEARCH_STEPS_MAX = 10_000;

/** The longest continuation of a chain that uses incarnations of each host in their order. */
function extend(
  chain: Chain,
  owned: readonly Incarnation[][],
  used: ReadonlySet<Incarnation>,
  budget: { steps: number },
): Chain | null {
  const tail = chain.at(-1) as Incarnation;
  if (!wasHandedOut(tail)) return chain;
  let best: Chain = chain;
  for (const list of owned) {
    if (list[0]?.host === tail.host) continue;
    const next = list.find((incarnation) => wasHandedIn(incarnation) && !used.has(incarnation) && !chain.includes(incarnation));
    if (!next || budget.steps-- <= 0) continue;
    const extended = extend([...chain, next], owned, used, budget);
    if (extended && extended.length > best.length) best = extended;
  }
  return best;
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
