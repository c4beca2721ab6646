import type { MissingEvidence, Proof } from '../domain/verdict.js';
import { type Chain, type Linkage, mayHaveLeftUnseen } from './chains.js';
import type { Custody } from './custody-answer.js';
import { beginsBefore, chainProof, incomingProof } from './custody-proofs.js';
import { covers, coversAny, type HostRecord } from './host-record.js';
import { BEFORE, type GuestRecord, type Incarnation } from './incarnation.js';
import { type LocalState, mayBeStopped } from './local-state.js';
import { guestState, orderMissing, peerState } from './missing-evidence.js';
import { LIFECYCLE_STREAMS, START_STOP_STREAMS } from './streams.js';

/** libvirt cleans up after a failed start within this time of recording the failure. */
const CLEAN_UP_US = 120_000_000;

/** A guest is stopped for a fraction of this when it is switched over (migrate-setmaxdowntime: 0.3 s unless told). */
const SWITCH_OVER_US = 1_000_000;

type Local<S extends LocalState['state']> = Extract<LocalState, { state: S }>;

/** Who made the call: libvirt's daemon, and whether it can be what it does to clean up after a guest. */
interface Caller {
  byLibvirt: boolean;
  mayRestore: boolean;
}

/** Answers who owned the guest, for one way in which it can have gone from host to host. */
export class Ownership {
  private readonly linkage: Linkage;
  private readonly records: ReadonlyMap<string, HostRecord>;
  private readonly byHost: ReadonlyMap<string, GuestRecord>;
  /** incarnations that owned the guest at some time */
  private readonly owning: Incarnation[];
  private readonly lockedStorage: boolean;

  constructor(
    linkage: Linkage,
    records: ReadonlyMap<string, HostRecord>,
    byHost: ReadonlyMap<string, GuestRecord>,
    lockedStorage: boolean,
  ) {
    this.linkage = linkage;
    this.records = records;
    this.byHost = byHost;
    this.owning = [...byHost.values()].flatMap((own) =>
      own.incarnations.filter((each) => each.owns !== null),
    );
    this.lockedStorage = lockedStorage;
  }

  at(local: LocalState, host: string, position: number, { byLibvirt, mayRestore }: Caller): Custody {
    switch (local.state) {
      case 'owner':
        return this.asOwner(local, host, position, byLibvirt);
      case 'starting':
        return this.asStarting(local, host);
      case 'incoming':
        return this.asIncoming(local, host, position, byLibvirt);
      case 'handing-over':
        return this.asHandingOver(local, host, position);
      case 'absent':
        return this.asAbsent(local, host, position, mayRestore);
      case 'silent':
        return this.asSilent(local, host);
    }
  }

  private asOwner(local: Local<'owner'>, host: string, position: number, byLibvirt: boolean): Custody {
    const { incarnation } = local;
    if (!local.sure) return this.unlessSpanned(local, host, incarnation);
    if (!byLibvirt && mayBeStopped(incarnation, this.records.get(host) as HostRecord, position)) {
      const successor = this.linkage.next.get(incarnation);
      return this.unknown(local, successor ? [successor, incarnation] : [incarnation], orderMissing(), true);
    }
    return this.unlessRivalled(local, incarnation, {
      kind: 'this-host',
      incarnation,
      starting: false,
      proof: [local.returned ? 'P4-source-resumed' : 'P7-own-incarnation'],
    });
  }

  /** The host's own record does not tell; a chain of others through the whole record would. */
  private unlessSpanned(local: LocalState, host: string, own: Incarnation | null): Custody {
    for (const chain of this.linkage.chains) {
      const foreign = own === null || !chain.includes(own);
      if (foreign && chain.every((each) => each.host !== host) && this.coversRecord(chain)) {
        return this.otherOf(chain, host, [chainProof(chain)], local);
      }
    }
    const candidates = this.others(host);
    return this.unknown(local, own === null ? candidates : [...candidates, own], guestState(host));
  }

  private asStarting(local: Local<'starting'>, host: string): Custody {
    const { incarnation } = local;
    if (!local.sure) return this.unlessSpanned(local, host, incarnation);
    if (incarnation.startFailed) {
      const [last, next] = this.ownedAround(incarnation);
      return this.elsewhere(local, host, last, next);
    }
    return this.unlessRivalled(local, incarnation, {
      kind: 'this-host',
      incarnation,
      starting: true,
      proof: ['P7-own-incarnation'],
    });
  }

  /**
   * A host that runs the guest is its owner unless a second host runs it, too. One that ran it through the whole
   * record certainly did; any other that no hand-over ties to this one may have. Where QEMU's image lock works
   * between hosts the second could not have started, so a start that succeeded excludes it.
   */
  private unlessRivalled(
    local: Local<'owner'> | Local<'starting'>,
    incarnation: Incarnation,
    own: Extract<Custody, { kind: 'this-host' }>,
  ): Custody {
    const rivals: Incarnation[] = [];
    for (const chain of this.linkage.chains) {
      if (chain.includes(incarnation)) continue;
      if (this.coversRecord(chain)) return this.otherOf(chain, incarnation.host, [chainProof(chain)], local);
      rivals.push(
        ...chain.filter((each) => each.host !== incarnation.host && !isOrderedBySave(each, incarnation)),
      );
    }
    if (rivals.length === 0 || this.lockedStorage) return own;
    // one that was there before the record and stayed to its end was there while any other came and went
    return this.unknown(local, [...rivals, incarnation], orderMissing(), true);
  }

  private asIncoming(local: Local<'incoming'>, host: string, position: number, byLibvirt: boolean): Custody {
    const { incarnation } = local;
    const proven = incarnation.kind === 'incoming' && local.sure;
    if (proven && !byLibvirt && this.isSwitchingOver(incarnation, position)) {
      const sources = this.sourcesOf(incarnation);
      return this.unknown(local, [...sources, incarnation], orderMissing(), true);
    }
    if (proven) return this.ofSource(incarnation, incomingProof(incarnation), local);
    const spanning = this.spanning(...this.ownedAround(incarnation), host, incarnation.kind === 'incoming');
    if (spanning && incarnation.owns === null)
      return this.otherOf(spanning, host, [chainProof(spanning)], local);
    if (incarnation.opened === BEFORE && this.onlyMentionedBy(host)) {
      return { kind: 'this-host', incarnation, starting: false, proof: ['P7-own-incarnation'] };
    }
    return this.unknown(local, this.others(host), guestState(host));
  }

  /**
   * Shortly before the guest resumed here it may have been stopped there already, which this host does not see.
   * libvirt itself labels nothing in that time.
   */
  private isSwitchingOver({ host, started, owns }: Incarnation, position: number): boolean {
    if (started === null || owns === null || position <= started) return false;
    const { times } = this.records.get(host) as HostRecord;
    return (times[owns] as number) - (times[position] as number) <= SWITCH_OVER_US;
  }

  private asHandingOver(local: Local<'handing-over'>, host: string, position: number): Custody {
    const { incarnation, handOver } = local;
    const successor = this.linkage.next.get(incarnation);
    const sure = local.sure || (successor !== undefined && this.isOnlyAttempt(incarnation, successor));
    if (!sure && handOver.result !== 'open') return this.unlessSpanned(local, host, incarnation);
    if (!sure) {
      const kept = this.unlessKept(local, host, incarnation);
      return kept.kind === 'this-host' ? kept : this.unlessSpanned(local, host, incarnation);
    }
    if (handOver.result === 'resumed') {
      return this.unlessRivalled({ state: 'owner', incarnation, returned: true, sure: true }, incarnation, {
        kind: 'this-host',
        incarnation,
        starting: false,
        proof: ['P4-source-resumed'],
      });
    }
    if (handOver.result === 'ended') {
      const proof: Proof[] = successor
        ? ['P2-handed-off-source', 'P5-peer-resumed']
        : ['P2-handed-off-source'];
      return this.otherOf(successor ? [successor] : [], host, proof, local);
    }
    if (!successor) return this.unlessKept(local, host, incarnation);
    // never confirmed, so this can be long after: the guest may have ended where it went
    const chain = this.linkage.chains.find((each) => each.includes(successor)) as Chain;
    const since = chain.slice(chain.indexOf(successor));
    if (since.length === 1 && handOver.brokenAt !== null && handOver.brokenAt < position) {
      if (this.diedInPostCopy(successor)) return { kind: 'nobody', proof: [] };
    }
    if (!this.openToTheEnd(since.at(-1) as Incarnation))
      return this.unknown(local, since, orderMissing(), true);
    return this.otherOf(since, host, ['P5-peer-resumed'], local);
  }

  /**
   * A destination whose QEMU died in post-copy before it said that the migration broke, or was over, is what broke it:
   * what the source does once it knows, it does when nobody runs the guest any more.
   */
  private diedInPostCopy(destination: Incarnation): boolean {
    const { started, ended, endReason, resumedPostCopy, copyEnded } = destination;
    if (started === null || ended === null || !resumedPostCopy || copyEnded !== null) return false;
    if (endReason !== 'failed' && endReason !== 'crashed') return false;
    const record = this.records.get(destination.host) as HostRecord;
    return LIFECYCLE_STREAMS.every((stream) => covers(record, stream, started, ended));
  }

  /** Every other host is known never to have owned the guest, so this one kept it, running or not. */
  private unlessKept(local: LocalState, host: string, incarnation: Incarnation): Custody {
    const incoming = this.others(host).filter((other) => other.kind === 'incoming');
    const watched = this.otherHypervisors(host).every((record) =>
      coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length),
    );
    const failed = this.others(host).every((other) => other.owns === null && this.endIsSure(other));
    if (incoming.length > 0 && watched && failed) {
      return { kind: 'this-host', incarnation, starting: false, proof: ['P1-failed-incoming'] };
    }
    return this.unknown(local, [...this.others(host), incarnation], peerState(host));
  }

  /**
   * A hole on the source could hide that this hand-over failed and a later one succeeded. Each attempt that gets as
   * far as stopping the guest has an incoming incarnation somewhere; when the one that took over is the only one
   * that can have come from here, the hand-over that was seen is the one that succeeded.
   */
  private isOnlyAttempt(source: Incarnation, successor: Incarnation): boolean {
    const watched = this.otherHypervisors(source.host).every((record) =>
      coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length),
    );
    return (
      watched &&
      this.others(source.host).every((other) => {
        if (other === successor || other.kind !== 'incoming' || other.owns !== null) return true;
        const sources = this.sourcesOf(other);
        return sources.length > 0 && !sources.includes(source);
      })
    );
  }

  private asAbsent(local: Local<'absent'>, host: string, position: number, mayRestore: boolean): Custody {
    const { last } = local;
    const record = this.records.get(host) as HostRecord;
    const [lastOwned, nextOwned] = this.ownedAt(host, position);
    if (
      last &&
      local.sure &&
      mayRestore &&
      this.isCleanUpAfter(last, record, position) &&
      this.endIsSure(last)
    ) {
      return this.ofSource(last, 'P1-failed-incoming', local);
    }
    // between two positive marks of its own record a hole could hide a whole incarnation
    if (!local.sure) return this.unlessSpanned(local, host, null);
    return this.elsewhere(local, host, lastOwned, nextOwned);
  }

  /** A failed incoming start is recorded before libvirt restores its labels. */
  private isCleanUpAfter(last: Incarnation, record: HostRecord, position: number): boolean {
    if (last.kind !== 'incoming' || last.owns !== null || last.ended === null) return false;
    return (record.times[position] as number) - (record.times[last.ended] as number) <= CLEAN_UP_US;
  }

  private asSilent(local: Local<'silent'>, host: string): Custody {
    const record = this.records.get(host);
    const spanning = this.spanning(null, null, host);
    // a whole chain excludes that the silent host had it; a host without libvirt never has a guest
    if (spanning && (local.sure || !record?.facts.hypervisor || this.coversRecord(spanning))) {
      return this.otherOf(spanning, host, [chainProof(spanning)], local);
    }
    const owners = this.owning;
    if (owners.length === 0) return this.unknown(local, [], guestState(null));
    return this.unknown(local, owners, orderMissing(), true);
  }

  /** The asking host had no incarnation then: did one of the others run the guest throughout? */
  private elsewhere(
    local: LocalState,
    host: string,
    last: Incarnation | null,
    next: Incarnation | null,
  ): Custody {
    const spanning = this.spanning(last, next, host);
    if (spanning) return this.otherOf(spanning, host, [chainProof(spanning)], local);
    const owners = this.owning.filter((incarnation) => incarnation.host !== host);
    if (owners.length > 0) return this.unknown(local, owners, orderMissing(), true);
    const handedOver = last?.handOvers.at(-1)?.result === 'ended';
    return !handedOver && this.nobodyElse(host)
      ? { kind: 'nobody', proof: [] }
      : this.unknown(local, [], guestState(null));
  }

  /**
   * The incarnations that owned the guest without a break while the asking host had none: from its hand-over
   * (`last`) or the beginning of the record, to its next take-over (`next`) or the end.
   *
   * @param ranElsewhere the guest certainly ran somewhere else (it was being received from there), so a chain that
   * begins within the record will do when it is the only one that it can have been in
   */
  private spanning(
    last: Incarnation | null,
    next: Incarnation | null,
    host: string,
    ranElsewhere = false,
  ): Chain | null {
    const only = this.linkage.chains.filter((chain) => chain.some((each) => each.host !== host)).length === 1;
    for (const chain of this.linkage.chains) {
      let begin = 0;
      if (last !== null) {
        // it owned the guest before: only what it handed the guest on to can have had it since
        const index = chain.indexOf(last);
        if (index < 0 || index === chain.length - 1) continue;
        begin = index + 1;
      } else if (!beginsBefore(chain[0] as Incarnation) && !(ranElsewhere && only)) continue;
      const returned = next === null ? -1 : chain.indexOf(next, begin);
      const part = chain.slice(begin, returned < 0 ? chain.length : returned);
      if (part.length === 0 || part.some((incarnation) => incarnation.host === host)) continue;
      if (returned < 0 && !this.openToTheEnd(part.at(-1) as Incarnation)) continue;
      if (last === null && !ranElsewhere && !this.isWatched(part[0] as Incarnation)) continue;
      if (!part.every((incarnation) => this.leavingIsSeen(incarnation))) continue;
      if (mayHaveLeftUnseen(chain, this.linkage, this.records)) continue;
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

  /** A chain that had the guest before the record begins and still has it when it ends. */
  private coversRecord(chain: Chain): boolean {
    const [first, last] = [chain[0] as Incarnation, chain.at(-1) as Incarnation];
    return beginsBefore(first) && this.isWatched(first) && this.openToTheEnd(last);
  }

  /** Nothing is missing that could hide that an incarnation without a recorded start began within the record. */
  private isWatched(incarnation: Incarnation): boolean {
    const record = this.records.get(incarnation.host) as HostRecord;
    return coversAny(record, START_STOP_STREAMS, BEFORE, incarnation.ended ?? record.events.length);
  }

  private openToTheEnd(incarnation: Incarnation): boolean {
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
  private onlyMentionedBy(host: string): boolean {
    const others = this.otherHypervisors(host);
    return (
      others.length > 0 &&
      others.every((record) => {
        const silent = (this.byHost.get(record.host)?.incarnations.length ?? 0) === 0;
        return silent && coversAny(record, LIFECYCLE_STREAMS, BEFORE, record.events.length);
      })
    );
  }

  private otherHypervisors(host: string): HostRecord[] {
    return [...this.records.values()].filter((record) => record.facts.hypervisor && record.host !== host);
  }

  onlyOtherHypervisor(host: string): string | null {
    const others = this.otherHypervisors(host);
    return others.length === 1 ? (others[0] as HostRecord).host : null;
  }

  private otherOf(
    candidates: readonly Incarnation[],
    host: string,
    proof: Proof[],
    local: LocalState,
  ): Custody {
    const found = candidates.length > 0 ? [...candidates] : this.owning.filter((each) => each.host !== host);
    const hosts = new Set(found.map((incarnation) => incarnation.host));
    const owner = hosts.size === 1 ? ([...hosts][0] as string) : null;
    const named = hosts.size === 0 ? this.onlyOtherHypervisor(host) : owner;
    const steady = found.length === 1 && this.coversRecord(found) && found[0]?.host !== host;
    const proofs: Proof[] =
      steady && !proof.includes('P6-steady-owner') ? [...proof, 'P6-steady-owner'] : proof;
    const isTraced = candidates.length > 0;
    return { kind: 'other', owner: named, candidates: found, isTraced, proof: proofs, local };
  }

  /**
   * A guest that was being received came from somewhere. That it still ran there is certain only while no source on
   * record ended: a source that died in the middle of the copy leaves nobody to be harmed by the clean-up.
   */
  private ofSource(incarnation: Incarnation, proof: Proof, local: LocalState): Custody {
    const { host } = incarnation;
    const sources = this.sourcesOf(incarnation);
    const owning = this.owning.filter((each) => each.host !== host);
    if (sources.length === 0 && owning.some((each) => this.mayHaveEndedInCopy(each, incarnation))) {
      return this.unknown(local, owning, orderMissing(), true);
    }
    return this.otherOf(sources, host, [proof], local);
  }

  /** The source ended without a hand-over, and nothing shows that the copy was over by then. */
  private mayHaveEndedInCopy(source: Incarnation, destination: Incarnation): boolean {
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
  private sourcesOf(incarnation: Incarnation): Incarnation[] {
    const previous = this.linkage.previous.get(incarnation);
    if (previous) return [previous];
    return this.spanning(...this.ownedAround(incarnation), incarnation.host, true) ?? [];
  }

  /** The incarnations of the same host that owned the guest before and after. */
  private ownedAround(incarnation: Incarnation): [Incarnation | null, Incarnation | null] {
    const own = this.byHost.get(incarnation.host)?.incarnations ?? [];
    const index = own.indexOf(incarnation);
    return [
      own.slice(0, index).findLast((each) => each.owns !== null) ?? null,
      own.slice(index + 1).find((each) => each.owns !== null) ?? null,
    ];
  }

  private ownedAt(host: string, position: number): [Incarnation | null, Incarnation | null] {
    const owned = (this.byHost.get(host)?.incarnations ?? []).filter((each) => each.owns !== null);
    return [
      owned.findLast((each) => each.ended !== null && each.ended <= position) ?? null,
      owned.find((each) => each.opened >= position) ?? null,
    ];
  }

  private endIsSure(incarnation: Incarnation): boolean {
    if (incarnation.ended === null) return false;
    const record = this.records.get(incarnation.host) as HostRecord;
    if (!coversAny(record, START_STOP_STREAMS, incarnation.opened, incarnation.ended)) return false;
    if (incarnation.startFailed) return true;
    return coversAny(record, LIFECYCLE_STREAMS, incarnation.started ?? BEFORE, incarnation.ended);
  }

  private others(host: string): Incarnation[] {
    return [...this.byHost.values()].flatMap((own) => (own.host === host ? [] : own.incarnations));
  }

  private unknown(
    local: LocalState,
    candidates: Incarnation[],
    missing: MissingEvidence,
    byOrder = false,
  ): Custody {
    return { kind: 'unknown', candidates, missing: [missing], order: byOrder, local };
  }
}

/** A guest is restored from what its save left: the one ended before the other began. */
function isOrderedBySave(a: Incarnation, b: Incarnation): boolean {
  const follows = (first: Incarnation, second: Incarnation) =>
    first.endReason === 'saved' && second.startReason === 'restored';
  return follows(a, b) || follows(b, a);
}
