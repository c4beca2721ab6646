import { ChainIndex } from './chain-index.js';
import { type Chain, type Linkage, wasHandedIn } from './chains.js';
import { beginsBefore } from './custody-proofs.js';
import { covers, coversAny, type HostRecord } from './host-record.js';
import { BEFORE, type GuestRecord, type Incarnation } from './incarnation.js';
import { LIFECYCLE_STREAMS, START_STOP_STREAMS } from './streams.js';

/**
 * Where the guest certainly was, and where it certainly was not, if it went from host to host in one of the ways that
 * the records allow. What could hide that it was elsewhere makes the answer no.
 */
export class Whereabouts {
  readonly linkage: Linkage;
  readonly chains: ChainIndex;
  /** incarnations that owned the guest at some time */
  readonly owning: readonly Incarnation[];
  private readonly records: ReadonlyMap<string, HostRecord>;
  private readonly byHost: ReadonlyMap<string, GuestRecord>;
  /** no hole could hide a whole incarnation */
  private readonly areStartsSeen: boolean;
  /** incarnations whose take-over a hole could hide */
  private readonly hiddenTakers: readonly Incarnation[];
  /** chains that ran the guest through their whole record and were refused its image; made when asked for */
  private refused: readonly Chain[] | null = null;

  constructor(
    linkage: Linkage,
    records: ReadonlyMap<string, HostRecord>,
    byHost: ReadonlyMap<string, GuestRecord>,
  ) {
    this.linkage = linkage;
    this.chains = new ChainIndex(linkage.chains, byHost);
    this.records = records;
    this.byHost = byHost;
    this.owning = [...byHost.values()].flatMap((own) =>
      own.incarnations.filter((each) => each.owns !== null),
    );
    this.areStartsSeen = [...records.values()].every(
      (record) =>
        !record.facts.hypervisor || coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length),
    );
    const all = [...byHost.values()].flatMap(({ incarnations }) => incarnations);
    this.hiddenTakers = all.filter((each) => this.mayHaveTakenOver(each));
  }

  /**
   * The incarnations that owned the guest without a break while the asking host had none: from its hand-over
   * (`last`) or the beginning of the record, to its next take-over (`next`) or the end.
   *
   * @param ranElsewhere the guest certainly ran somewhere else (it was being received from there), so a chain that
   * begins within the record, and not by a take-over, will do when it is the only one that it can have been in
   * @param cleared the incarnation that is asked about, where a restarted daemon clears it away
   */
  spanning(
    last: Incarnation | null,
    next: Incarnation | null,
    host: string,
    ranElsewhere = false,
    cleared: Incarnation | null = null,
  ): Chain | null {
    const beyond = this.chains.beyond(host);
    const only = beyond.length === 1;
    for (const chain of last === null ? beyond : chainsWith(this.chains.of(last))) {
      let begin = 0;
      if (last !== null) {
        // it owned the guest before: only what it handed the guest on to can have had it since
        const index = chain.indexOf(last);
        if (index === chain.length - 1) continue;
        begin = index + 1;
      } else if (
        !beginsBefore(chain[0] as Incarnation) &&
        !(ranElsewhere && only && !wasHandedIn(chain[0] as Incarnation))
      )
        continue;
      const returned = next === null ? -1 : chain.indexOf(next, begin);
      const part = chain.slice(begin, returned < 0 ? chain.length : returned);
      if (part.length === 0 || part.some((incarnation) => incarnation.host === host)) continue;
      if (returned < 0 && !this.openToTheEnd(part.at(-1) as Incarnation)) continue;
      if (last === null && !ranElsewhere && !this.isWatched(part[0] as Incarnation)) continue;
      if (!part.every((incarnation) => this.leavingIsSeen(incarnation))) continue;
      if (this.mayHaveLeftUnseen(chain)) continue;
      if (!this.areLinksSure(cleared) && (last !== null || part.length > 1)) continue;
      return part;
    }
    return null;
  }

  /** A hole could hide that the guest was handed over and came back. */
  private leavingIsSeen(incarnation: Incarnation): boolean {
    const record = this.records.get(incarnation.host) as HostRecord;
    const until = incarnation.ended ?? record.events.length;
    return coversAny(record, START_STOP_STREAMS, incarnation.owns ?? BEFORE, until);
  }

  /**
   * No hole could hide an incarnation or a take-over, so that no take-over can be of another hand-over than the one
   * it is tied to.
   *
   * @param cleared one that is being cleared away: had it taken the guest over, it would have handed it to nobody
   */
  areLinksSure(cleared: Incarnation | null = null): boolean {
    return this.areStartsSeen && this.hiddenTakers.every((each) => each === cleared);
  }

  /** A chain that had the guest before the record begins and still has it when it ends. */
  coversRecord(chain: Chain): boolean {
    const [first, last] = [chain[0] as Incarnation, chain.at(-1) as Incarnation];
    if (!beginsBefore(first) || !this.isWatched(first) || !this.openToTheEnd(last)) return false;
    return (chain.length === 1 || this.areLinksSure()) && !this.mayHaveLeftUnseen(chain);
  }

  /**
   * A chain of others that ran the guest while this host ran it, too. That they had it through their whole record does
   * not show it: one record can end before the other begins. That the guest was refused its image there does, where
   * this host's began by itself; had it been handed in, it may have come from them.
   */
  ranBeside(own: Incarnation): Chain | null {
    const chain = this.chains.of(own);
    if (wasHandedIn(chain?.[0] ?? own)) return null;
    this.refused ??= this.linkage.chains.filter(
      (each) => each.some(({ wasDenied }) => wasDenied) && this.coversRecord(each),
    );
    return this.refused.find((each) => each !== chain) ?? null;
  }

  /** The host had handed the guest on, nobody is on record as having taken it, and then it started it anew. */
  mayStillBeAway(incarnation: Incarnation): boolean {
    const [before] = this.chains.ownedAround(incarnation);
    if (incarnation.kind !== 'booted' || before === null || this.linkage.next.has(before)) return false;
    const result = before.handOvers.at(-1)?.result;
    return result === 'ended' || (result === 'open' && !this.areLinksSure());
  }

  /** A hole could hide a hand-over of the chain, and somebody may have taken the guest over that way. */
  private mayHaveLeftUnseen(chain: Chain): boolean {
    const isSeen = ({ host, owns, ended }: Incarnation) => {
      const record = this.records.get(host) as HostRecord;
      return coversAny(record, LIFECYCLE_STREAMS, owns ?? BEFORE, ended ?? record.events.length);
    };
    return !chain.every(isSeen) && this.mayHaveBeenTaken(chain);
  }

  /** Somewhere the guest was taken over, or may have been, and no hand-over on record leads there. */
  mayHaveBeenTaken(chain: readonly Incarnation[]): boolean {
    if (!this.areStartsSeen) return true;
    return [...this.byHost.values()].some(({ incarnations }) =>
      incarnations.some((each) => {
        if (chain.includes(each)) return false;
        const cameUntold = each.kind === 'incoming' && each.owns !== null && !this.linkage.previous.has(each);
        return cameUntold || this.mayHaveTakenOver(each);
      }),
    );
  }

  /** It was being received, and a hole could hide that the guest was taken over. */
  private mayHaveTakenOver({
    kind,
    host,
    owns,
    started,
    startFailed,
    ended,
    endReason,
  }: Incarnation): boolean {
    if (kind !== 'incoming' || owns !== null || startFailed) return false;
    if (endReason === 'failed' || endReason === 'crashed') return false;
    const record = this.records.get(host) as HostRecord;
    return !coversAny(record, LIFECYCLE_STREAMS, started ?? BEFORE, ended ?? record.events.length);
  }

  /** Nothing is missing that could hide that an incarnation without a recorded start began within the record. */
  private isWatched(incarnation: Incarnation): boolean {
    const record = this.records.get(incarnation.host) as HostRecord;
    return coversAny(record, START_STOP_STREAMS, BEFORE, incarnation.ended ?? record.events.length);
  }

  openToTheEnd(incarnation: Incarnation): boolean {
    if (incarnation.ended !== null) return false;
    const handOver = incarnation.handOvers.at(-1);
    if (handOver && handOver.result !== 'resumed') return false;
    const record = this.records.get(incarnation.host) as HostRecord;
    return coversAny(record, START_STOP_STREAMS, incarnation.lastSeen, record.events.length);
  }

  /** There are other hypervisors on record, and each is known not to have had the guest. */
  nobodyElse(host: string): boolean {
    // a host of which nothing says what it is may be a hypervisor; one that exports storage and has no libvirt is none
    const others = [...this.records.values()].filter(
      (record) => record.host !== host && (record.facts.hypervisor || !record.facts.exports?.length),
    );
    return (
      others.length > 0 &&
      others.every((record) => {
        const own = this.byHost.get(record.host);
        const free = own !== undefined && own.incarnations.length === 0 && own.listedOff !== null;
        return free && coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length);
      })
    );
  }

  /**
   * The record begins inside the incarnation and ends it in a way that an incoming guest can end, too. It was an
   * ordinary one when every other hypervisor watched its guests all the time and none ever named this one: a guest
   * that went on there would have had its disk taken away, and said so.
   */
  onlyMentionedBy(host: string): boolean {
    const others = this.otherHypervisors(host);
    return (
      others.length > 0 &&
      others.every((record) => {
        const silent = (this.byHost.get(record.host)?.incarnations.length ?? 0) === 0;
        return silent && coversAny(record, LIFECYCLE_STREAMS, BEFORE, record.events.length);
      })
    );
  }

  /** No hole in the record of any other hypervisor could hide that it had the guest. */
  areOthersWatched(host: string): boolean {
    return this.otherHypervisors(host).every((record) =>
      coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length),
    );
  }

  private otherHypervisors(host: string): HostRecord[] {
    return [...this.records.values()].filter((record) => record.facts.hypervisor && record.host !== host);
  }

  onlyOtherHypervisor(host: string): string | null {
    const others = this.otherHypervisors(host);
    return others.length === 1 ? (others[0] as HostRecord).host : null;
  }

  /** The source ended without a hand-over, and nothing shows that the copy was over by then. */
  mayHaveEndedInCopy(source: Incarnation, destination: Incarnation): boolean {
    if (source.ended === null || source.handOvers.at(-1)?.result === 'ended') return false;
    if (this.linkage.next.has(source)) return false;
    if (source.endUnseen || source.endReason === 'crashed' || source.endReason === 'failed') return true;
    const job = source.jobs.at(-1);
    const resumed = source.handOvers.at(-1)?.to ?? BEFORE;
    const isOver = !job || resumed >= job.to || ['completed', 'failed', 'cancelled'].includes(job.status);
    if (!isOver) return true;
    // a destination that did not even start QEMU left its source no job to end in
    const record = this.records.get(source.host) as HostRecord;
    const jobsSeen = coversAny(record, ['qemu-monitor-event'], source.owns ?? BEFORE, source.ended);
    return !jobsSeen && !destination.startFailed;
  }

  sourceOf(incarnation: Incarnation): Incarnation | null {
    const candidates = this.sourcesOf(incarnation);
    if (candidates.length === 1) return candidates[0] as Incarnation;
    const owning = this.owning.filter((each) => each.host !== incarnation.host);
    return candidates.length === 0 && owning.length === 1 ? (owning[0] as Incarnation) : null;
  }

  /** Where an incoming guest came from: its predecessor, or for a failed one whoever owned it meanwhile. */
  sourcesOf(incarnation: Incarnation): Incarnation[] {
    const previous = this.linkage.previous.get(incarnation);
    if (previous) return [previous];
    return this.spanning(...this.chains.ownedAround(incarnation), incarnation.host, true) ?? [];
  }

  ownedAt(host: string, position: number): [Incarnation | null, Incarnation | null] {
    const owned = (this.byHost.get(host)?.incarnations ?? []).filter((each) => each.owns !== null);
    return [
      owned.findLast((each) => each.ended !== null && each.ended <= position) ?? null,
      owned.find((each) => each.opened >= position) ?? null,
    ];
  }

  endIsSure(incarnation: Incarnation): boolean {
    if (incarnation.ended === null) return false;
    const record = this.records.get(incarnation.host) as HostRecord;
    if (!coversAny(record, START_STOP_STREAMS, incarnation.opened, incarnation.ended)) return false;
    if (incarnation.startFailed) return true;
    return coversAny(record, LIFECYCLE_STREAMS, incarnation.started ?? BEFORE, incarnation.ended);
  }

  others(host: string): Incarnation[] {
    return [...this.byHost.values()].flatMap((own) => (own.host === host ? [] : own.incarnations));
  }

  /**
   * A destination whose QEMU died in post-copy before it said that the migration broke, or was over, is what broke it:
   * what the source does once it knows, it does when nobody runs the guest any more.
   */
  diedInPostCopy(destination: Incarnation): boolean {
    const { started, ended, endReason, resumedPostCopy, copyEnded } = destination;
    if (started === null || ended === null || !resumedPostCopy || copyEnded !== null) return false;
    if (endReason !== 'failed' && endReason !== 'crashed') return false;
    const record = this.records.get(destination.host) as HostRecord;
    return LIFECYCLE_STREAMS.every((stream) => covers(record, stream, started, ended));
  }

  /**
   * A hole on the source could hide that this hand-over failed and a later one succeeded. Each attempt that gets as
   * far as stopping the guest has an incoming incarnation somewhere, whose QEMU was started; when the source's jobs
   * that failed before account for all but the one that took over, the hand-over that was seen is the one that
   * succeeded.
   */
  isOnlyAttempt(source: Incarnation, successor: Incarnation): boolean {
    if (!this.areOthersWatched(source.host)) return false;
    const attempts = this.others(source.host).filter((other) => {
      if (other === successor || other.kind !== 'incoming' || other.owns !== null || other.startFailed)
        return false;
      const sources = this.sourcesOf(other);
      return sources.length === 0 || sources.includes(source);
    });
    return attempts.length <= this.failedBefore(source);
  }

  /** How many migrations of the guest away from here are known to have failed before the last hand-over. */
  private failedBefore({ host, owns, handOvers, jobs }: Incarnation): number {
    const stopped = handOvers.at(-1)?.from ?? BEFORE;
    const record = this.records.get(host) as HostRecord;
    if (!covers(record, 'qemu-monitor-event', owns ?? BEFORE, stopped)) return 0;
    return jobs.filter(({ to, status }) => to < stopped && (status === 'failed' || status === 'cancelled'))
      .length;
  }
}

function chainsWith(chain: Chain | undefined): readonly Chain[] {
  return chain === undefined ? [] : [chain];
}
