import { getOrMake } from '../domain/group.js';
import type { Chain } from './chains.js';
import type { GuestRecord, Incarnation } from './incarnation.js';

type Around = [before: Incarnation | null, after: Incarnation | null];

/** The chains by what they are asked for with every call: a guest can have had thousands of incarnations. */
export class ChainIndex {
  private readonly chains: readonly Chain[];
  private readonly byHost: ReadonlyMap<string, GuestRecord>;
  private readonly chainOf = new Map<Incarnation, Chain>();
  private readonly awayFrom = new Map<string, Chain[]>();
  private readonly reachingBeyond = new Map<string, Chain[]>();
  private readonly around = new Map<string, Map<Incarnation, Around>>();

  constructor(chains: readonly Chain[], byHost: ReadonlyMap<string, GuestRecord>) {
    this.chains = chains;
    this.byHost = byHost;
    for (const chain of chains) for (const each of chain) this.chainOf.set(each, chain);
  }

  of(incarnation: Incarnation): Chain | undefined {
    return this.chainOf.get(incarnation);
  }

  /** Those that never were on the host. */
  without(host: string): readonly Chain[] {
    return getOrMake(this.awayFrom, host, () =>
      this.chains.filter((chain) => chain.every((each) => each.host !== host)),
    );
  }

  /** Those that were on any other host. */
  beyond(host: string): readonly Chain[] {
    return getOrMake(this.reachingBeyond, host, () =>
      this.chains.filter((chain) => chain.some((each) => each.host !== host)),
    );
  }

  /** The incarnations of the same host that owned the guest before and after. */
  ownedAround(incarnation: Incarnation): Around {
    const { host } = incarnation;
    const ofHost = getOrMake(this.around, host, () => neighbours(this.byHost.get(host)?.incarnations ?? []));
    return ofHost.get(incarnation) ?? [null, null];
  }
}

function neighbours(incarnations: readonly Incarnation[]): Map<Incarnation, Around> {
  const around = new Map<Incarnation, Around>();
  let before: Incarnation | null = null;
  for (const each of incarnations) {
    around.set(each, [before, null]);
    if (each.owns !== null) before = each;
  }
  let after: Incarnation | null = null;
  for (const each of incarnations.toReversed()) {
    (around.get(each) as Around)[1] = after;
    if (each.owns !== null) after = each;
  }
  return around;
}
