import type { Proof } from '../domain/verdict.js';
import { type Linkage, linkages } from './chains.js';
import type { Custody } from './custody-answer.js';
import { coversAny, type HostRecord } from './host-record.js';
import { BEFORE, type GuestRecord, type Incarnation } from './incarnation.js';
import { type LocalState, localState } from './local-state.js';
import { orderMissing } from './missing-evidence.js';
import { type Caller, Ownership } from './ownership.js';
import { LIFECYCLE_STREAMS, START_STOP_STREAMS } from './streams.js';

export class GuestCustody {
  readonly guest: string;
  readonly allIncarnations: readonly Incarnation[];
  /** a second QEMU of the guest could not have opened its images */
  readonly lockedStorage: boolean;
  private readonly records: ReadonlyMap<string, HostRecord>;
  private readonly byHost: ReadonlyMap<string, GuestRecord>;
  /** every way in which the guest can have gone from host to host; the first is the likeliest */
  private readonly linkages: readonly Linkage[];
  private readonly ownerships: readonly Ownership[];
  /** there are more such ways than were looked at */
  readonly exhausted: boolean;

  /** @param lockedStorage the guest's images are locked while QEMU has them open, on every host */
  constructor(
    guest: string,
    records: ReadonlyMap<string, HostRecord>,
    byHost: ReadonlyMap<string, GuestRecord>,
    lockedStorage: boolean,
  ) {
    this.guest = guest;
    this.records = records;
    this.byHost = byHost;
    this.lockedStorage = lockedStorage;
    this.allIncarnations = [...byHost.values()].flatMap((record) => record.incarnations);
    const { all, exhausted } = linkages([...byHost.values()], records);
    this.linkages = all;
    this.exhausted = exhausted;
    this.ownerships = all.map((linkage) => new Ownership(linkage, records, byHost, lockedStorage));
  }

  /**
   * @param byLibvirt the call was made by the libvirt daemon
   * @param as what else the call can be of libvirt's
   */
  at(
    host: string,
    position: number,
    byLibvirt: boolean,
    as: Omit<Caller, 'byLibvirt'> = { mayRestore: byLibvirt, clearsAway: false },
  ): Custody {
    const local = localState(
      this.byHost.get(host),
      this.records.get(host) as HostRecord,
      position,
      byLibvirt,
    );
    const answers = this.ownerships.map((ownership) =>
      ownership.at(local, host, position, { byLibvirt, ...as }),
    );
    return this.merge(answers, local);
  }

  /** What holds whichever way the guest went. */
  private merge(answers: readonly Custody[], local: LocalState): Custody {
    const first = answers[0] as Custody;
    if (answers.length === 1 && !this.exhausted) return first;
    const candidates = [
      ...new Set(answers.flatMap((answer) => ('candidates' in answer ? answer.candidates : []))),
    ];
    if (first.kind === 'this-host' && answers.every((answer) => answer.kind === 'this-host')) return first;
    if (first.kind === 'nobody' && answers.every((answer) => answer.kind === 'nobody')) return first;
    const others = answers.filter((answer) => answer.kind === 'other');
    if (others.length === answers.length && !(this.exhausted && dependsOnLinks(others))) {
      const owners = new Set(others.map((answer) => answer.owner));
      const proof = (others[0] as Extract<Custody, { kind: 'other' }>).proof.filter((each) =>
        others.every((answer) => answer.proof.includes(each)),
      );
      return {
        kind: 'other',
        owner: owners.size === 1 && !this.exhausted ? ([...owners][0] as string | null) : null,
        candidates,
        isGuessed: others.some((answer) => answer.isGuessed),
        proof: proof.length > 0 ? proof : [...new Set(others.flatMap((answer) => answer.proof))].sort(),
        local,
      };
    }
    const missing = answers.flatMap((answer) => (answer.kind === 'unknown' ? answer.missing : []));
    return {
      kind: 'unknown',
      candidates,
      missing: missing.length > 0 ? missing : [orderMissing()],
      order: missing.length === 0,
      local,
    };
  }

  incarnationsOf(host: string): readonly Incarnation[] {
    return this.byHost.get(host)?.incarnations ?? [];
  }

  /** What is known of the clocks from the guest's hand-overs, in the likeliest order of them. */
  get bounds(): Linkage['bounds'] {
    return (this.linkages[0] as Linkage).bounds;
  }

  /** The incarnation that an incoming guest came from, as far as it can be told. */
  sourceOf(incarnation: Incarnation): Incarnation | null {
    return (this.ownerships[0] as Ownership).where.sourceOf(incarnation);
  }

  /** Somebody is on record as having taken the guest over from this incarnation. */
  hasSuccessor(incarnation: Incarnation): boolean {
    return this.linkages.some((linkage) => linkage.next.has(incarnation));
  }

  /** True when the order of the hand-overs is not certain, so that names of hosts rest on the clocks. */
  get ambiguous(): boolean {
    return this.linkages.length > 1 || this.exhausted;
  }

  /** No hole could make a take-over belong to another hand-over than to those it may be tied to. */
  get areLinksSure(): boolean {
    return (this.ownerships[0] as Ownership).where.areLinksSure();
  }

  /** The guest was in the one incarnation before it was in the other, whichever way it went. */
  precedes(a: Incarnation, b: Incarnation): boolean {
    if (this.exhausted || a === b) return false;
    return this.linkages.every(({ chains }) =>
      chains.some((chain) => chain.includes(a) && chain.indexOf(a) < chain.indexOf(b)),
    );
  }

  /** With two hypervisors the guest's other host needs no record to be named. */
  onlyOtherHypervisor(host: string): string | null {
    return (this.ownerships[0] as Ownership).where.onlyOtherHypervisor(host);
  }

  /** Every other hypervisor on record is known not to have had the guest. */
  isNowhereElse(host: string): boolean {
    return (this.ownerships[0] as Ownership).where.nobodyElse(host);
  }

  /** Where a host defined the guest outside of an incoming migration. */
  get definitions(): { host: string; position: number }[] {
    return [...this.byHost.values()].flatMap(({ host, definedAt, incarnations }) =>
      definedAt
        .filter(
          (at) => !incarnations.some((each) => each.opened < at && (each.ended === null || at < each.ended)),
        )
        .map((position) => ({ host, position })),
    );
  }

  /** No hole in a hypervisor's record could hide that it had the guest. */
  isWhole(record: HostRecord): boolean {
    return coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length);
  }

  /**
   * Incarnations of other hosts that can have owned the guest although the records that there are do not say so:
   * all, where a hole could hide whole incarnations; else those whose take-over a hole could hide.
   */
  possibleOwners(host: string): Incarnation[] {
    const others = this.allIncarnations.filter((each) => each.host !== host);
    const complete = [...this.records.values()].every(
      (record) => !record.facts.hypervisor || this.isWhole(record),
    );
    if (!complete) return others.filter((each) => each.owns !== null);
    return others.filter((each) => {
      if (each.owns !== null || each.kind !== 'incoming' || each.startFailed) return false;
      const record = this.records.get(each.host) as HostRecord;
      const until = each.ended ?? record.events.length;
      return !coversAny(record, LIFECYCLE_STREAMS, each.started ?? BEFORE, until);
    });
  }
}

/** What a host's own record proves, or one steady owner, holds whichever take-over belongs to which hand-over. */
function dependsOnLinks(answers: readonly Extract<Custody, { kind: 'other' }>[]): boolean {
  return !answers.every(({ proof }) => proof.some((each) => INDEPENDENT_OF_LINKS.has(each)));
}

const INDEPENDENT_OF_LINKS: ReadonlySet<Proof> = new Set<Proof>([
  'P1-failed-incoming',
  'P2-handed-off-source',
  'P3-before-takeover',
  'P6-steady-owner',
]);
