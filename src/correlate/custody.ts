import type { MissingEvidence, Proof } from '../domain/verdict.js';
import { type Chain, linkChains } from './chains.js';
import type { ClockBounds } from './clock-bounds.js';
import { coversAny, type HostRecord } from './host-record.js';
import { BEFORE, type GuestRecord, type HandOver, type Incarnation } from './incarnations.js';

/**
 * Who owned a guest at a position of one host's record.
 *
 * The answer rests on that host's own order and on the existence of events elsewhere, never on two hosts' clocks
 * (docs/internals/correlation.md argues each case).
 */
export type Custody =
  /** the asking host owned the guest, or was just starting it */
  | { kind: 'this-host'; incarnation: Incarnation; starting: boolean; proof: Proof[] }
  /** another host owned it; `owner` is null when it was one of several */
  | { kind: 'other'; owner: string | null; candidates: Incarnation[]; proof: Proof[]; local: LocalState }
  /** nobody ran it */
  | { kind: 'nobody'; proof: Proof[] }
  /** the records do not tell; `candidates` may have owned it */
  | { kind: 'unknown'; candidates: Incarnation[]; missing: MissingEvidence[]; order: boolean; local: LocalState };

/** How a host stood to a guest at one position, by its own record. */
export type LocalState =
  | { state: 'owner'; incarnation: Incarnation; returned: boolean }
  | { state: 'starting'; incarnation: Incarnation }
  | { state: 'incoming'; incarnation: Incarnation; sure: boolean }
  | { state: 'handing-over'; incarnation: Incarnation; handOver: HandOver }
  | { state: 'absent'; last: Incarnation | null; next: Incarnation | null }
  | { state: 'silent' };

const LIFECYCLE_STREAMS = ['virsh-event', 'qemu-monitor-event'] as const;
const START_STOP_STREAMS = ['audit', 'virsh-event'] as const;

/** libvirt cleans up after a failed start within this time of recording the failure. */
const CLEAN_UP_US = 120_000_000;

export class GuestCustody {
  readonly guest: string;
  readonly chains: Chain[];
  /** what the guest's hand-overs say about the hosts' clocks */
  readonly bounds: ClockBounds;
  private readonly records: ReadonlyMap<string, HostRecord>;
  private readonly byHost: ReadonlyMap<string, GuestRecord>;

  constructor(guest: string, records: ReadonlyMap<string, HostRecord>, byHost: ReadonlyMap<string, GuestRecord>) {
    this.guest = guest;
    this.records = records;
    this.byHost = byHost;
    const { chains, bounds } = linkChains([...byHost.values()], records);
    this.chains = chains;
    this.bounds = bounds;
  }

  incarnationsOf(host: string): readonly Incarnation[] {
    return this.byHost.get(host)?.incarnations ?? [];
  }

  /** Where a host defined the guest outside of an incoming migration. */
  get definitions(): { host: string; position: number }[] {
    return [...this.byHost.values()].flatMap(({ host, definedAt, incarnations }) =>
      definedAt
        .filter((at) => !incarnations.some((each) => each.opened < at && (each.ended === null || at < each.ended)))
        .map((position) => ({ host, position })),
    );
  }

  get allIncarnations(): Incarnation[] {
    return [...this.byHost.values()].flatMap((record) => record.incarnations);
  }

  /** @param byLibvirt the call was made by the libvirt daemon: it cleans up right around a start's or stop's record */
  at(host: string, position: number, byLibvirt: boolean): Custody {
    const local = this.localState(host, position, byLibvirt);
    const steady = this.steadyOwner(host);
    switch (local.state) {
      case 'owner':
        return this.asOwner(local, steady, host, position);
      case 'starting':
        return this.asStarting(local, steady, host);
      case 'incoming':
        return this.asIncoming(local, steady, host);
      case 'handing-over':
        return this.asHandingOver(local, steady, host);
      case 'absent':
        return this.asAbsent(local, steady, host, position, byLibvirt);
      case 'silent':
        return this.asSilent(local, steady, host);
    }
  }

  localState(host: string, position: number, byLibvirt: boolean): LocalState {
    const own = this.byHost.get(host);
    if (!own || (own.incarnations.length === 0 && own.listedOff === null)) return { state: 'silent' };
    const incarnation = own.incarnations.findLast(
      (candidate) => candidate.opened < position && (candidate.ended === null || position < candidate.ended),
    );
    if (!incarnation) {
      return {
        state: 'absent',
        last: own.incarnations.findLast((candidate) => candidate.ended !== null && candidate.ended <= position) ?? null,
        next: own.incarnations.find((candidate) => candidate.opened >= position) ?? null,
      };
    }
    const handOver = incarnation.handOvers.findLast((each) => this.handOverBegin(incarnation, each, byLibvirt) <= position);
    if (handOver && (handOver.to === null || position < handOver.to || handOver.result === 'ended')) {
      return { state: 'handing-over', incarnation, handOver };
    }
    if (incarnation.owns !== null && incarnation.owns <= position) {
      return { state: 'owner', incarnation, returned: handOver?.result === 'resumed' };
    }
    if (incarnation.kind === 'booted') return { state: 'starting', incarnation };
    if (incarnation.kind === 'incoming') {
      return { state: 'incoming', incarnation, sure: this.surelyNotResumed(host, incarnation, position) };
    }
    // a label was assigned and no start recorded, or the record begins inside the incarnation
    return { state: 'incoming', incarnation, sure: false };
  }

  /**
   * Where a hand-over begins. When the STOP is in no record (audit log only, or a paused guest) only the end is
   * known; libvirt's own restore runs between `shutting down` and op=stop, so it belongs to the hand-over.
   */
  private handOverBegin(incarnation: Incarnation, handOver: HandOver, byLibvirt: boolean): number {
    if (!byLibvirt || handOver.from !== handOver.to) return handOver.from;
    if (incarnation.shuttingDown) return incarnation.shuttingDown.at;
    const record = this.records.get(incarnation.host) as HostRecord;
    const end = record.times[handOver.from] as number;
    let begin = handOver.from;
    while (begin > 0 && end - (record.times[begin - 1] as number) <= RESTORE_BEFORE_STOP_US) begin--;
    return Math.max(begin, incarnation.lastSeen === handOver.from ? begin : incarnation.lastSeen);
  }

  /** A host that had not resumed the guest by then: proved by its own record, not merely unseen. */
  private surelyNotResumed(host: string, incarnation: Incarnation, position: number): boolean {
    const record = this.records.get(host) as HostRecord;
    if (incarnation.started === null || position <= incarnation.started) return true;
    if (incarnation.startFailed) return true;
    if (incarnation.owns !== null && incarnation.tookOverAt === 'exactly') return position < incarnation.owns;
    if (incarnation.owns !== null) return false; // it took over, and no record says when: the streams have a hole
    return coversAny(record, LIFECYCLE_STREAMS, incarnation.started, position);
  }

  /**
   * The host, other than the asking one, that ran the guest through all of its record: no start, no stop, no
   * hand-over, and nothing missing that could hide one.
   */
  private steadyOwner(asking: string): Incarnation | null {
    for (const [host, { incarnations }] of this.byHost) {
      if (host === asking) continue;
      const incarnation = incarnations[0];
      if (!incarnation || incarnations.length !== 1) continue;
      if (this.isSteady(incarnation)) return incarnation;
    }
    return null;
  }

  isSteady(incarnation: Incarnation): boolean {
    const record = this.records.get(incarnation.host) as HostRecord;
    return (
      incarnation.opened === BEFORE &&
      incarnation.owns === BEFORE &&
      !incarnation.ownsEarlier &&
      incarnation.ended === null &&
      incarnation.handOvers.every((handOver) => handOver.result === 'resumed') &&
      coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length)
    );
  }

  private asOwner(
    local: Extract<LocalState, { state: 'owner' }>,
    steady: Incarnation | null,
    host: string,
    position: number,
  ): Custody {
    const { incarnation } = local;
    if (steady && !this.linked(steady, incarnation)) {
      return { kind: 'other', owner: steady.host, candidates: [steady], proof: ['P6-steady-owner'], local };
    }
    if (incarnation.ownsEarlier && position < (incarnation.owns ?? 0)) {
      return this.unknown(local, [], [guestState(host)], false);
    }
    const hidden = this.hiddenHandOver(incarnation, position);
    if (hidden) {
      return this.unknown(local, this.others(host), [guestState(host)], false);
    }
    return {
      kind: 'this-host',
      incarnation,
      starting: false,
      proof: [local.returned ? 'P4-source-resumed' : 'P7-own-incarnation'],
    };
  }

  /**
   * A hole in every stream that could show the guest leaving this host, between the last sign that it was owned
   * here and the position, with no later sign that it still was.
   */
  private hiddenHandOver(incarnation: Incarnation, position: number): boolean {
    const record = this.records.get(incarnation.host) as HostRecord;
    const from = Math.max(incarnation.owns ?? BEFORE, BEFORE);
    if (coversAny(record, LIFECYCLE_STREAMS, from, position)) return false;
    if (!LIFECYCLE_STREAMS.some((stream) => record.streams.has(stream))) return false;
    if (incarnation.endReason !== null && incarnation.endReason !== 'migrated' && !incarnation.endUnseen) return false;
    if (incarnation.ended === null && incarnation.lastSeen > position) return false;
    return incarnation.handOvers.length === 0 ? incarnation.lastSeen <= position : false;
  }

  private asStarting(
    local: Extract<LocalState, { state: 'starting' }>,
    steady: Incarnation | null,
    host: string,
  ): Custody {
    if (steady) return { kind: 'other', owner: steady.host, candidates: [steady], proof: ['P6-steady-owner'], local };
    if (!local.incarnation.startFailed) {
      return { kind: 'this-host', incarnation: local.incarnation, starting: true, proof: ['P7-own-incarnation'] };
    }
    const [last, next] = this.ownedAround(local.incarnation);
    return this.elsewhere(local, host, last, next);
  }

  private asIncoming(
    local: Extract<LocalState, { state: 'incoming' }>,
    steady: Incarnation | null,
    host: string,
  ): Custody {
    if (steady) {
      const proof: Proof[] = ['P6-steady-owner'];
      if (local.sure && local.incarnation.kind === 'incoming') proof.unshift(incomingProof(local.incarnation));
      return { kind: 'other', owner: steady.host, candidates: [steady], proof, local };
    }
    if (local.incarnation.kind === 'incoming' && local.sure) {
      return this.otherOf(this.sourcesOf(local.incarnation), host, [incomingProof(local.incarnation)], local);
    }
    if (local.incarnation.opened === BEFORE && this.onlyMentionedBy(host)) {
      return { kind: 'this-host', incarnation: local.incarnation, starting: false, proof: ['P7-own-incarnation'] };
    }
    return this.unknown(local, this.others(host), [guestState(host)], false);
  }

  /**
   * The record begins inside the incarnation and ends it in a way that an incoming guest can end, too. It was an
   * ordinary one when every other hypervisor watched its guests all the time and none ever named this one: a guest
   * that came from there would have had its disk taken away, and said so.
   */
  private onlyMentionedBy(host: string): boolean {
    let watchers = 0;
    for (const record of this.records.values()) {
      if (record.host === host || !record.facts.hypervisor) continue;
      if ((this.byHost.get(record.host)?.incarnations.length ?? 0) > 0) return false;
      if (!coversAny(record, LIFECYCLE_STREAMS, BEFORE, record.events.length)) return false;
      watchers++;
    }
    return watchers > 0;
  }

  private asHandingOver(
    local: Extract<LocalState, { state: 'handing-over' }>,
    steady: Incarnation | null,
    host: string,
  ): Custody {
    const { incarnation, handOver } = local;
    if (handOver.result === 'resumed') {
      return { kind: 'this-host', incarnation, starting: false, proof: ['P4-source-resumed'] };
    }
    const successor = this.successorOf(incarnation);
    if (successor) {
      const proof: Proof[] = handOver.result === 'ended' ? ['P2-handed-off-source'] : [];
      proof.push('P5-peer-resumed');
      return { kind: 'other', owner: successor.host, candidates: [successor], proof, local };
    }
    if (handOver.result === 'ended') return this.otherOf([], host, ['P2-handed-off-source'], local);
    if (steady) return { kind: 'other', owner: steady.host, candidates: [steady], proof: ['P6-steady-owner'], local };
    const incoming = this.others(host).filter((other) => other.kind === 'incoming');
    const failed = incoming.filter((other) => other.owns === null && (other.ended !== null || other.startFailed));
    if (incoming.length > 0 && failed.length === incoming.length && incoming.every((other) => this.endIsSure(other))) {
      // every destination is known to have failed, so nobody else had it: this host kept it, running or not
      return { kind: 'this-host', incarnation, starting: false, proof: ['P1-failed-incoming'] };
    }
    return this.unknown(local, this.others(host), [peerState(host)], false);
  }

  private endIsSure(incarnation: Incarnation): boolean {
    if (incarnation.startFailed) return true;
    const record = this.records.get(incarnation.host) as HostRecord;
    return coversAny(record, LIFECYCLE_STREAMS, incarnation.started ?? BEFORE, incarnation.ended ?? record.events.length);
  }

  private asAbsent(
    local: Extract<LocalState, { state: 'absent' }>,
    steady: Incarnation | null,
    host: string,
    position: number,
    byLibvirt: boolean,
  ): Custody {
    const { last, next } = local;
    const record = this.records.get(host) as HostRecord;
    const cleaning =
      last !== null &&
      last.ended !== null &&
      byLibvirt &&
      (record.times[position] as number) - (record.times[last.ended] as number) <= CLEAN_UP_US;
    const failedIncoming = cleaning && last?.kind === 'incoming' && last.owns === null;
    if (steady) {
      const proof: Proof[] = failedIncoming ? ['P1-failed-incoming', 'P6-steady-owner'] : ['P6-steady-owner'];
      return { kind: 'other', owner: steady.host, candidates: [steady], proof, local };
    }
    if (failedIncoming && this.endIsSure(last)) {
      return this.otherOf(this.sourcesOf(last), host, ['P1-failed-incoming'], local);
    }
    // between two positive marks of its own record a hole could hide a whole incarnation
    const from = last?.ended ?? BEFORE;
    const until = next?.opened ?? record.events.length;
    if (!coversAny(record, START_STOP_STREAMS, from, Math.min(position, until))) {
      return this.unknown(local, this.allOwning(), [guestState(host)], false);
    }
    const [lastOwned, nextOwned] = this.ownedAt(host, position);
    return this.elsewhere(local, host, lastOwned, nextOwned);
  }

  private ownedAt(host: string, position: number): [Incarnation | null, Incarnation | null] {
    const owned = this.incarnationsOf(host).filter((each) => each.owns !== null);
    return [
      owned.findLast((each) => each.ended !== null && each.ended <= position) ?? null,
      owned.find((each) => each.opened >= position) ?? null,
    ];
  }

  private asSilent(local: LocalState, steady: Incarnation | null, host: string): Custody {
    if (steady) return { kind: 'other', owner: steady.host, candidates: [steady], proof: ['P6-steady-owner'], local };
    const record = this.records.get(host);
    const watched = record !== undefined && coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length);
    const spanning = this.spanning(null, null, host);
    if (spanning && (watched || !record?.facts.hypervisor)) return this.otherOf(spanning, host, chainProof(spanning), local);
    const owners = this.allOwning();
    if (owners.length === 0) return this.unknown(local, [], [guestState(null)], false);
    return this.unknown(local, owners, [order()], true);
  }

  /** The asking host had no incarnation then: did one of the others run the guest throughout? */
  private elsewhere(local: LocalState, host: string, last: Incarnation | null, next: Incarnation | null): Custody {
    const spanning = this.spanning(last, next, host);
    if (spanning) return this.otherOf(spanning, host, chainProof(spanning), local);
    const owners = this.allOwning().filter((incarnation) => incarnation.host !== host);
    if (owners.length > 0) return this.unknown(local, owners, [order()], true);
    const handedOver = last?.handOvers.at(-1)?.result === 'ended';
    return !handedOver && this.nobodyElse(host)
      ? { kind: 'nobody', proof: [] }
      : this.unknown(local, [], [guestState(null)], false);
  }

  /** There are other hypervisors on record, and each is known not to have had the guest. */
  private nobodyElse(host: string): boolean {
    const others = [...this.records.values()].filter((record) => record.facts.hypervisor && record.host !== host);
    return (
      others.length > 0 &&
      others.every((record) => {
        const own = this.byHost.get(record.host);
        return own !== undefined && own.incarnations.length === 0 && own.listedOff !== null;
      })
    );
  }

  /**
   * The incarnations that owned the guest without a break while the asking host had none: from its hand-over
   * (`last`) or the beginning of the record, to its next take-over (`next`) or the end.
   */
  private spanning(last: Incarnation | null, next: Incarnation | null, host: string): Incarnation[] | null {
    const handed = last !== null && last.handOvers.at(-1)?.result !== undefined && last.owns !== null;
    if (last !== null && last.owns !== null && !handed) return null;
    for (const chain of this.chains) {
      let begin = 0;
      if (handed) {
        const index = chain.indexOf(last as Incarnation);
        if (index < 0 || index === chain.length - 1) continue;
        begin = index + 1;
      } else if (last !== null || !this.beginsBefore(chain[0] as Incarnation)) {
        // the host never had it before: only a chain that begins before the record covers the whole of it
        if (!this.beginsBefore(chain[0] as Incarnation)) continue;
      }
      const nextOwned = next && chain.indexOf(next, begin) >= 0 ? chain.indexOf(next, begin) : -1;
      const end = nextOwned >= 0 ? nextOwned : chain.length;
      const part = chain.slice(begin, end);
      if (part.length === 0 || part.some((incarnation) => incarnation.host === host)) continue;
      if (nextOwned < 0 && !this.openToTheEnd(part.at(-1) as Incarnation)) continue;
      return part;
    }
    return null;
  }

  private beginsBefore(incarnation: Incarnation): boolean {
    return incarnation.opened === BEFORE && incarnation.owns === BEFORE && !incarnation.ownsEarlier;
  }

  private openToTheEnd(incarnation: Incarnation): boolean {
    if (incarnation.ended !== null) return false;
    const handOver = incarnation.handOvers.at(-1);
    if (handOver && handOver.result !== 'resumed') return false;
    const record = this.records.get(incarnation.host) as HostRecord;
    return coversAny(record, START_STOP_STREAMS, incarnation.lastSeen, record.events.length);
  }

  private otherOf(candidates: Incarnation[], host: string, proof: Proof[], local: LocalState): Custody {
    const found = candidates.length > 0 ? candidates : this.allOwning().filter((each) => each.host !== host);
    const hosts = new Set(found.map((incarnation) => incarnation.host));
    let owner = hosts.size === 1 ? ([...hosts][0] as string) : null;
    if (hosts.size === 0) owner = this.onlyOtherHypervisor(host);
    return { kind: 'other', owner, candidates: found, proof, local };
  }

  /** With two hypervisors the guest's other host needs no record to be named. */
  onlyOtherHypervisor(host: string): string | null {
    const others = [...this.records.values()].filter((record) => record.facts.hypervisor && record.host !== host);
    return others.length === 1 ? (others[0] as HostRecord).host : null;
  }

  private successorOf(incarnation: Incarnation): Incarnation | null {
    for (const chain of this.chains) {
      const index = chain.indexOf(incarnation);
      if (index >= 0) return chain[index + 1] ?? null;
    }
    return null;
  }

  /** The incarnation that an incoming guest came from, when there is only one that it can be. */
  sourceOf(incarnation: Incarnation): Incarnation | null {
    const steady = this.steadyOwner(incarnation.host);
    if (steady) return steady;
    const candidates = this.sourcesOf(incarnation);
    if (candidates.length === 1) return candidates[0] as Incarnation;
    const owning = this.allOwning().filter((each) => each.host !== incarnation.host);
    return candidates.length === 0 && owning.length === 1 ? (owning[0] as Incarnation) : null;
  }

  /** Where an incoming guest came from: its predecessor, or for a failed one whoever owned it meanwhile. */
  private sourcesOf(incarnation: Incarnation): Incarnation[] {
    for (const chain of this.chains) {
      const index = chain.indexOf(incarnation);
      if (index > 0) return [chain[index - 1] as Incarnation];
    }
    const [last, next] = this.ownedAround(incarnation);
    return this.spanning(last, next, incarnation.host) ?? [];
  }

  /** The incarnations of the same host that owned the guest before and after. */
  private ownedAround(incarnation: Incarnation): [Incarnation | null, Incarnation | null] {
    const own = this.incarnationsOf(incarnation.host);
    const index = own.indexOf(incarnation);
    return [
      own.slice(0, index).findLast((each) => each.owns !== null) ?? null,
      own.slice(index + 1).find((each) => each.owns !== null) ?? null,
    ];
  }

  private linked(a: Incarnation, b: Incarnation): boolean {
    return this.chains.some((chain) => chain.includes(a) && chain.includes(b));
  }

  private others(host: string): Incarnation[] {
    return this.allIncarnations.filter((incarnation) => incarnation.host !== host);
  }

  private allOwning(): Incarnation[] {
    return this.allIncarnations.filter((incarnation) => incarnation.owns !== null);
  }

  private unknown(local: LocalState, candidates: Incarnation[], missing: MissingEvidence[], byOrder: boolean): Custody {
    return { kind: 'unknown', candidates, missing, order: byOrder, local };
  }
}

/** libvirt restores labels right before it writes op=stop. */
const RESTORE_BEFORE_STOP_US = 5_000_000;

function incomingProof(incarnation: Incarnation): Proof {
  return incarnation.owns === null && (incarnation.startFailed || incarnation.ended !== null)
    ? 'P1-failed-incoming'
    : 'P3-before-takeover';
}

function chainProof(part: Incarnation[]): Proof[] {
  return part.length === 1 && (part[0] as Incarnation).opened !== BEFORE ? ['P5-peer-resumed'] : ['P8-chain-of-owners'];
}

function guestState(host: string | null): MissingEvidence {
  const where = host === null ? 'the other hypervisors' : host;
  return {
    what: 'guest-state',
    host,
    text: `whether the guest ran on ${where} then: virsh events without a hole, or \`virsh domstate --reason\` taken there`,
  };
}

function peerState(host: string): MissingEvidence {
  return {
    what: 'peer-host',
    host: null,
    text: `what became of the guest that ${host} had stopped for hand-over: the records of the host it went to`,
  };
}

function order(): MissingEvidence {
  return {
    what: 'order',
    host: null,
    text: 'whether the guest’s start, end or move on the other host came before or after: a record that spans both, such as the owner’s from before the call to after it',
  };
}
