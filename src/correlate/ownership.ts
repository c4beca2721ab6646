import type { MissingEvidence, Proof } from '../domain/verdict.js';
import type { Chain, Linkage } from './chains.js';
import type { Custody } from './custody-answer.js';
import { chainProof, incomingProof } from './custody-proofs.js';
import { covers, type HostRecord } from './host-record.js';
import { BEFORE, type GuestRecord, type Incarnation } from './incarnation.js';
import { type LocalState, mayBeStopped } from './local-state.js';
import { guestState, orderMissing, peerState } from './missing-evidence.js';
import { Whereabouts } from './whereabouts.js';

/** libvirt cleans up after a failed start within this time of recording the failure. */
const CLEAN_UP_US = 120_000_000;

/** A guest is stopped for a fraction of this when it is switched over (migrate-setmaxdowntime: 0.3 s unless told). */
const SWITCH_OVER_US = 1_000_000;

type Local<S extends LocalState['state']> = Extract<LocalState, { state: S }>;

/** Who made the call. */
export interface Caller {
  byLibvirt: boolean;
  /** it can be libvirt's clean-up after the guest: it gives back no file that the guest only reads */
  mayRestore: boolean;
  /** a restarted daemon clears away the guest, whose QEMU is gone or goes with it */
  clearsAway: boolean;
}

/** Answers who owned the guest, for one way in which it can have gone from host to host. */
export class Ownership {
  readonly where: Whereabouts;
  private readonly records: ReadonlyMap<string, HostRecord>;
  private readonly lockedStorage: boolean;

  constructor(
    linkage: Linkage,
    records: ReadonlyMap<string, HostRecord>,
    byHost: ReadonlyMap<string, GuestRecord>,
    lockedStorage: boolean,
  ) {
    this.where = new Whereabouts(linkage, records, byHost);
    this.records = records;
    this.lockedStorage = lockedStorage;
  }

  at(local: LocalState, host: string, position: number, caller: Caller): Custody {
    const { byLibvirt, mayRestore, clearsAway } = caller;
    switch (local.state) {
      case 'owner':
        return this.asOwner(local, host, position, byLibvirt);
      case 'starting':
        return this.asStarting(local, host);
      case 'incoming':
        return this.asIncoming(local, host, position, clearsAway);
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
    // an audit log alone shows nobody leave, so nobody else may seem to have come
    const mayHaveLeft = !local.watched && this.where.mayHaveBeenTaken([incarnation]);
    if (!local.sure || mayHaveLeft) return this.unlessSpanned(local, host, incarnation);
    if (!byLibvirt && mayBeStopped(incarnation, this.records.get(host) as HostRecord, position)) {
      const successor = this.where.linkage.next.get(incarnation);
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
    const chain = this.where.chains.without(host).find((each) => this.where.coversRecord(each));
    if (chain) return this.otherOf(chain, host, [chainProof(chain)], local);
    const candidates = this.where.others(host);
    return this.unknown(local, own === null ? candidates : [...candidates, own], guestState(host));
  }

  private asStarting(local: Local<'starting'>, host: string): Custody {
    const { incarnation } = local;
    if (!local.sure) return this.unlessSpanned(local, host, incarnation);
    if (incarnation.startFailed) {
      const [last, next] = this.where.chains.ownedAround(incarnation);
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
   * A host that runs the guest is its owner unless a second host runs it, too. Any that no hand-over ties to this one
   * may have. Where QEMU's image lock works between hosts the second could not have started, so that this one runs
   * excludes it.
   */
  private unlessRivalled(
    local: Local<'owner'> | Local<'starting'>,
    incarnation: Incarnation,
    own: Extract<Custody, { kind: 'this-host' }>,
  ): Custody {
    if (this.lockedStorage) return own;
    const { host } = incarnation;
    const beside = this.where.ranBeside(incarnation);
    if (beside) return this.otherOf(beside, host, [chainProof(beside)], local);
    const ownChain = this.where.chains.of(incarnation);
    const rivals = this.where.chains
      .beyond(host)
      .filter((chain) => chain !== ownChain)
      .flatMap((chain) => chain.filter((each) => each.host !== host && !isOrderedBySave(each, incarnation)));
    return rivals.length === 0 && !this.where.mayStillBeAway(incarnation)
      ? own
      : this.unknown(local, [...rivals, incarnation], orderMissing(), true);
  }

  private asIncoming(local: Local<'incoming'>, host: string, position: number, clearsAway: boolean): Custody {
    const { incarnation } = local;
    const proven = incarnation.kind === 'incoming' && local.sure;
    if (proven && this.isSwitchingOver(incarnation, position)) {
      const sources = this.where.sourcesOf(incarnation);
      return this.unknown(local, [...sources, incarnation], orderMissing(), true);
    }
    if (proven) return this.ofSource(incarnation, position, incomingProof(incarnation), local);
    const spanning = this.where.spanning(
      ...this.where.chains.ownedAround(incarnation),
      host,
      incarnation.kind === 'incoming',
      clearsAway ? incarnation : null,
    );
    if (spanning && incarnation.owns === null)
      return this.otherOf(spanning, host, [chainProof(spanning)], local);
    if (incarnation.opened === BEFORE && this.where.onlyMentionedBy(host)) {
      return { kind: 'this-host', incarnation, starting: false, proof: ['P7-own-incarnation'] };
    }
    return this.unknown(local, this.where.others(host), guestState(host));
  }

  /**
   * Shortly before the guest resumed here it may have been stopped there already, which this host does not see.
   * libvirt labels nothing for the guest in that time: what it does then to a file that several use it does for another.
   */
  private isSwitchingOver({ host, started, owns }: Incarnation, position: number): boolean {
    if (started === null || owns === null || position <= started) return false;
    const { times } = this.records.get(host) as HostRecord;
    return (times[owns] as number) - (times[position] as number) <= SWITCH_OVER_US;
  }

  private asHandingOver(local: Local<'handing-over'>, host: string, position: number): Custody {
    const { incarnation, handOver } = local;
    const successor = this.where.linkage.next.get(incarnation);
    const isLast = handOver === incarnation.handOvers.at(-1) && handOver.result !== 'resumed';
    const sure =
      local.sure || (isLast && successor !== undefined && this.where.isOnlyAttempt(incarnation, successor));
    if (!sure && handOver.result !== 'open') return this.unlessSpanned(local, host, incarnation);
    if (!sure) {
      const kept = this.unlessKept(local, host, incarnation);
      return kept.kind === 'this-host' ? kept : this.unlessSpanned(local, host, incarnation);
    }
    if (handOver.result === 'resumed') {
      return this.unlessRivalled(
        { state: 'owner', incarnation, returned: true, sure: true, watched: true },
        incarnation,
        {
          kind: 'this-host',
          incarnation,
          starting: false,
          proof: ['P4-source-resumed'],
        },
      );
    }
    if (handOver.result === 'ended') {
      const proof: Proof[] = successor
        ? ['P2-handed-off-source', 'P5-peer-resumed']
        : ['P2-handed-off-source'];
      return this.otherOf(successor ? [successor] : [], host, proof, local);
    }
    if (!successor) return this.unlessKept(local, host, incarnation);
    // never confirmed, so this can be long after: the guest may have ended where it went
    const chain = this.where.chains.of(successor) as Chain;
    const since = chain.slice(chain.indexOf(successor));
    if (since.length === 1 && handOver.brokenAt !== null && handOver.brokenAt < position) {
      if (this.where.diedInPostCopy(successor)) return { kind: 'nobody', proof: [] };
    }
    if (!this.where.openToTheEnd(since.at(-1) as Incarnation))
      return this.unknown(local, since, orderMissing(), true);
    return this.otherOf(since, host, ['P5-peer-resumed'], local);
  }

  /** Every other host is known never to have owned the guest, so this one kept it, running or not. */
  private unlessKept(local: LocalState, host: string, incarnation: Incarnation): Custody {
    const incoming = this.where.others(host).filter((other) => other.kind === 'incoming');
    const failed = this.where
      .others(host)
      .every((other) => other.owns === null && this.where.endIsSure(other));
    if (incoming.length > 0 && failed && this.where.areOthersWatched(host)) {
      return { kind: 'this-host', incarnation, starting: false, proof: ['P1-failed-incoming'] };
    }
    return this.unknown(local, [...this.where.others(host), incarnation], peerState(host));
  }

  private asAbsent(local: Local<'absent'>, host: string, position: number, mayRestore: boolean): Custody {
    const { last } = local;
    const record = this.records.get(host) as HostRecord;
    const [lastOwned, nextOwned] = this.where.ownedAt(host, position);
    if (
      last &&
      local.sure &&
      mayRestore &&
      this.isCleanUpAfter(last, record, position) &&
      this.where.endIsSure(last)
    ) {
      return this.ofSource(last, position, 'P1-failed-incoming', local);
    }
    // between two positive marks of its own record a hole could hide a whole incarnation
    if (!local.sure) return this.unlessSpanned(local, host, null);
    return this.elsewhere(local, host, lastOwned, nextOwned);
  }

  /** A failed incoming start is recorded before libvirt restores its labels. */
  private isCleanUpAfter(last: Incarnation, record: HostRecord, position: number): boolean {
    if (last.kind !== 'incoming' || last.owns !== null || last.ended === null) return false;
    // only the audit log tells of a start before its labels are set, and of one that failed
    if (!covers(record, 'audit', last.ended, position)) return false;
    return (record.times[position] as number) - (record.times[last.ended] as number) <= CLEAN_UP_US;
  }

  private asSilent(local: Local<'silent'>, host: string): Custody {
    const record = this.records.get(host);
    const spanning = this.where.spanning(null, null, host);
    // a whole chain excludes that the silent host had it; a host without libvirt never has a guest
    if (spanning && (local.sure || !record?.facts.hypervisor || this.where.coversRecord(spanning))) {
      return this.otherOf(spanning, host, [chainProof(spanning)], local);
    }
    const owners = this.where.owning;
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
    const spanning = this.where.spanning(last, next, host);
    if (spanning) return this.otherOf(spanning, host, [chainProof(spanning)], local);
    const owners = this.where.owning.filter((incarnation) => incarnation.host !== host);
    if (owners.length > 0) return this.unknown(local, owners, orderMissing(), true);
    const handedOver = last?.handOvers.at(-1)?.result === 'ended';
    return !handedOver && this.where.nobodyElse(host)
      ? { kind: 'nobody', proof: [] }
      : this.unknown(local, [], guestState(null));
  }

  private otherOf(
    candidates: readonly Incarnation[],
    host: string,
    proof: Proof[],
    local: LocalState,
  ): Custody {
    const found =
      candidates.length > 0 ? [...candidates] : this.where.owning.filter((each) => each.host !== host);
    const hosts = new Set(found.map((incarnation) => incarnation.host));
    const owner = hosts.size === 1 ? ([...hosts][0] as string) : null;
    const named = hosts.size === 0 ? this.where.onlyOtherHypervisor(host) : owner;
    const steady = found.length === 1 && this.where.coversRecord(found) && found[0]?.host !== host;
    const proofs: Proof[] =
      steady && !proof.includes('P6-steady-owner') ? [...proof, 'P6-steady-owner'] : proof;
    const isGuessed = candidates.length === 0;
    return { kind: 'other', owner: named, candidates: found, isGuessed, proof: proofs, local };
  }

  /**
   * A guest that was being received came from somewhere. That it still ran there is certain only while no source on
   * record ended, nor can have ended in a hole: a source that died in the middle of the copy leaves nobody to be
   * harmed by the clean-up.
   */
  private ofSource(incarnation: Incarnation, position: number, proof: Proof, local: LocalState): Custody {
    const { host, owns, started, startFailed } = incarnation;
    const sources = this.where.sourcesOf(incarnation);
    const owning = this.where.owning.filter((each) => each.host !== host);
    if (sources.length === 0) {
      const wasCopied = owns === null && started !== null && started < position && !startFailed;
      const mayHaveDied = wasCopied && !this.where.areOthersWatched(host);
      if (mayHaveDied || owning.some((each) => this.where.mayHaveEndedInCopy(each, incarnation)))
        return this.unknown(local, owning, mayHaveDied ? guestState(null) : orderMissing(), !mayHaveDied);
    }
    return this.otherOf(sources, host, [proof], local);
  }

  private unknown(
    local: LocalState,
    candidates: readonly Incarnation[],
    missing: MissingEvidence,
    byOrder = false,
  ): Custody {
    return { kind: 'unknown', candidates: [...candidates], missing: [missing], order: byOrder, local };
  }
}

/** A guest is restored from what its save left: the one ended before the other began. */
function isOrderedBySave(a: Incarnation, b: Incarnation): boolean {
  const follows = (first: Incarnation, second: Incarnation) =>
    first.endReason === 'saved' && second.startReason === 'restored';
  return follows(a, b) || follows(b, a);
}
