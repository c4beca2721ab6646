import { getOrMake } from '../domain/group.js';
import type { Cause } from '../domain/verdict.js';
import type { TrueMigration, TrueRelabel, Truth, Unknowable } from './truth.js';

/**
 * Keeps what really happened and works out, at the end, which of it can be known.
 *
 * Hosts' clocks prove nothing across hosts, so what can be known rests on causality: every host counts its own
 * acts, every message between hosts carries the counts (a vector clock), and an act is certainly inside a tenure
 * only if no order that agrees with the counts puts it anywhere with another verdict. Counts are kept for each guest
 * apart: what one guest's migration orders is not asked of the records of another.
 */
export interface Moment {
  host: number;
  /** which act of its host it is */
  act: number;
  /** by guest: how many acts of every host had happened before */
  known: ReadonlyMap<string, readonly number[]>;
  elapsed_us: number;
}

/**
 * Part of a migration attempt, between two acts of the source that the protocol puts around it. A failed attempt
 * orders nothing else: which of the source's attempts it was cannot be told from the events in general.
 */
export interface CausalWindow {
  after: Moment;
  before: Moment | null;
}

/** What a QEMU needs its images to be labelled. `context` null: SELinux does not ask. */
export interface Needs {
  uid: number;
  gid: number;
  context: string | null;
}

export type ImageUse = 'private' | 'backing' | 'shareable';

interface AskedLabel {
  uid: number | null;
  gid: number | null;
  context: string | null;
}

interface Tenure {
  host: number;
  from: Moment | null;
  from_seen: boolean;
  to: Moment | null;
  to_seen: boolean;
  needs: Needs;
  /** did anything that was collected show that the host runs the guest, and state its label */
  witnessed: boolean;
  needs_stated: boolean;
  taken: Moment | null;
}

export interface BlindTime {
  host: number;
  from_us: number;
  to_us: number;
  /** the audit log was not collected either, so that even a start could have gone unseen */
  audit_too: boolean;
}

export interface BegunTenure {
  host: number;
  needs: Needs;
  /** was the change of owner collected */
  seen: boolean;
  /** did a collected record state the labels of this incarnation */
  needs_stated: boolean;
  /** the owner's own act that began it, when that is not the act that changed the owner: the resume after a hand-over */
  taken: Moment | null;
}

export interface LedgerHost {
  name: string;
  /** capabilities and qemu.conf were read: the owner that its QEMUs need is known without a record */
  facts_read: boolean;
}

/** Tenures of a guest follow each other in a lane; a second start of the same guest has a lane of its own. */
export type Lane = 'main' | 'second';

export interface RelabelEntry {
  id: string;
  serial: number;
  moment: Moment;
  window: CausalWindow | null;
  path: string;
  /** which file it is, whatever a host calls it */
  file: string;
  shared: boolean;
  effective: boolean;
  asked: AskedLabel;
  asked_logged: boolean;
  mounts_read: boolean;
  uses: { guest: string; use: ImageUse; listed: () => boolean }[];
  cause: Cause | null;
}

export class Ledger {
  readonly #hosts: LedgerHost[];
  readonly #began_us: number;
  readonly #acts: number[];
  /** by host, by guest: how many acts of every host are known to have happened */
  readonly #known: Map<string, readonly number[]>[];
  readonly #tenures = new Map<string, Tenure[]>();
  readonly #blind: BlindTime[] = [];
  readonly #relabels: RelabelEntry[] = [];
  readonly #migrations: TrueMigration[] = [];

  constructor(hosts: LedgerHost[], began_us: number) {
    this.#hosts = hosts;
    this.#began_us = began_us;
    this.#acts = hosts.map(() => 0);
    this.#known = hosts.map(() => new Map());
  }

  /** The host does something: a point in its own order. */
  act(host: number, elapsed_us: number): Moment {
    const act = (this.#acts[host] as number) + 1;
    this.#acts[host] = act;
    return { host, act, known: new Map(this.#knownTo(host)), elapsed_us };
  }

  /** What `from` did so far happened before what `to` does with the guest from now on. */
  message(guest: string, from: number, to: number): void {
    const sent = this.#vector(from, guest).map((count, host) =>
      host === from ? (this.#acts[from] as number) : count,
    );
    const received = this.#vector(to, guest).map((count, host) => Math.max(count, sent[host] as number));
    this.#knownTo(to).set(guest, received);
  }

  beginTenure(guest: string, lane: Lane, from: Moment | null, begun: BegunTenure): void {
    const { seen, ...rest } = begun;
    this.#lane(guest, lane).push({
      ...rest,
      from,
      from_seen: seen,
      to: null,
      to_seen: false,
      witnessed: seen && from !== null,
    });
  }

  endTenure(guest: string, lane: Lane, to: Moment, seen: boolean): void {
    const current = this.#lane(guest, lane).at(-1);
    if (current === undefined || current.to !== null) return;
    current.to = to;
    current.to_seen = seen;
    if (seen) current.witnessed = true;
  }

  /** A hand-over that came off: the owner changed when the source stopped its vCPUs. */
  handOver(guest: string, stop: Moment, begun: BegunTenure): void {
    this.endTenure(guest, 'main', stop, begun.seen);
    this.beginTenure(guest, 'main', stop, begun);
  }

  /** Something that was collected says that the guest runs where it runs now. */
  witness(guest: string, lane: Lane): void {
    const current = this.#lane(guest, lane).at(-1);
    if (current) current.witnessed = true;
  }

  /** Something that was collected says which label the guest's QEMU has where it runs now. */
  needsStated(guest: string, lane: Lane): void {
    const current = this.#lane(guest, lane).at(-1);
    if (current) current.needs_stated = true;
  }

  /** For a time, events of this host were not collected. */
  blind(time: BlindTime): void {
    this.#blind.push(time);
  }

  /** Something may have happened to the guest that no event tells: who owns it is unclear on both sides of that moment. */
  obscure(guest: string, moment: Moment): void {
    const current = this.#lane(guest, 'main').at(-1);
    if (current === undefined || current.to !== null) return;
    const { host, needs, needs_stated } = current;
    this.handOver(guest, moment, { host, needs, needs_stated, seen: false, taken: null });
  }

  relabel(entry: RelabelEntry): void {
    this.#relabels.push(entry);
  }

  migration(
    migration: Omit<TrueMigration, 'began_us' | 'ended_us'>,
    began_us: number,
    ended_us: number,
  ): void {
    this.#migrations.push({
      ...migration,
      began_us: this.#began_us + began_us,
      ended_us: this.#began_us + ended_us,
    });
  }

  settle(): Truth {
    return {
      relabels: this.#relabels.map((entry) => this.#judge(entry)),
      migrations: this.#migrations,
      tenures: [...this.#tenures].flatMap(([key, tenures]) =>
        tenures.map((tenure) => ({
          guest: key.slice(0, key.lastIndexOf('/')),
          host: this.#nameOf(tenure.host),
          from_us: tenure.from && this.#began_us + tenure.from.elapsed_us,
          to_us: tenure.to && this.#began_us + tenure.to.elapsed_us,
        })),
      ),
    };
  }

  #knownTo(host: number): Map<string, readonly number[]> {
    return this.#known[host] as Map<string, readonly number[]>;
  }

  #vector(host: number, guest: string): readonly number[] {
    return this.#knownTo(host).get(guest) ?? this.#acts.map(() => 0);
  }

  #nameOf(host: number): string {
    return (this.#hosts[host] as LedgerHost).name;
  }

  #lane(guest: string, lane: Lane): Tenure[] {
    const key = `${guest}/${lane}`;
    return getOrMake(this.#tenures, key, () => []);
  }

  #judge(entry: RelabelEntry): TrueRelabel {
    const owners: Record<string, string | null> = {};
    const doubts: Unknowable[][] = [];
    let already_wrong = false;
    for (const { guest, use, listed } of entry.uses) {
      owners[guest] = null;
      for (const lane of ['main', 'second'] as const) {
        const tenures = this.#tenures.get(`${guest}/${lane}`) ?? [];
        const owner = tenures.find((tenure) => isDuring(entry.moment, tenure, guest));
        if (owner === undefined) continue;
        owners[guest] ??= this.#nameOf(owner.host);
        if (!entry.shared || !hurts(entry, owner, use)) continue;
        if (entry.effective) doubts.push(this.#doubtsAbout(entry, guest, tenures, use, listed()));
        else if (this.#isTouchedElsewhere(entry)) already_wrong = true;
      }
    }
    const violation = doubts.length > 0;
    const fewest = doubts.sort((a, b) => a.length - b.length)[0] ?? [];
    return {
      id: entry.id,
      host: this.#nameOf(entry.moment.host),
      serial: entry.serial,
      true_us: this.#began_us + entry.moment.elapsed_us,
      guests: entry.uses.map(({ guest }) => guest),
      path: entry.path,
      shared: entry.shared,
      effective: entry.effective,
      owners,
      violation,
      cause: violation ? (entry.cause ?? 'foreign-host') : null,
      unknowable: already_wrong && !violation ? ['already-wrong'] : fewest,
    };
  }

  #doubtsAbout(
    entry: RelabelEntry,
    guest: string,
    tenures: Tenure[],
    use: ImageUse,
    listed: boolean,
  ): Unknowable[] {
    const doubts = new Set<Unknowable>();
    if (!entry.asked_logged) doubts.add('asked');
    if (!entry.mounts_read) doubts.add('mounts');
    if (!listed) doubts.add('image-list');
    if (this.#ranItself(entry, guest)) doubts.add('order');
    for (const segment of segmentsOf(tenures)) {
      if (!couldBeIn(entry, segment, guest)) continue;
      if (segment.tenure === null || !hurts(entry, segment.tenure, use)) doubts.add('order');
      else {
        if (!segment.tenure.witnessed) doubts.add('guest-state');
        if (!this.#isNeedStated(entry, segment.tenure)) doubts.add('need');
      }
      if (!segment.seen || this.#isBlind(segment)) doubts.add('guest-state');
    }
    return [...doubts];
  }

  /** That two records say of a guest that it ran does not show that it ran twice: they need not be of one time. */
  #ranItself({ cause, moment }: RelabelEntry, guest: string): boolean {
    return cause === 'second-start' && this.#lane(guest, 'second').some(({ host }) => host === moment.host);
  }

  /** Then no record tells in which order the hosts set the label, and so whether this call changed it. */
  #isTouchedElsewhere({ file, moment }: RelabelEntry): boolean {
    return this.#relabels.some((other) => other.file === file && other.moment.host !== moment.host);
  }

  #isBlind({ tenure, after, before }: Segment): boolean {
    return this.#blind.some(
      (blind) =>
        (blind.audit_too || blind.host === tenure?.host) &&
        (before === null || blind.from_us < before.elapsed_us) &&
        (after === null || blind.to_us > after.elapsed_us),
    );
  }

  #isNeedStated(entry: RelabelEntry, tenure: Tenure): boolean {
    if (tenure.needs_stated) return true;
    return entry.asked.context === null && (this.#hosts[tenure.host] as LedgerHost).facts_read;
  }
}

/** The label that the image must have for a use, derived from its QEMU's. */
export function neededContext(needs: Needs, use: ImageUse): string | null {
  if (needs.context === null) return null;
  if (use === 'backing') return 'system_u:object_r:virt_content_t:s0';
  return use === 'shareable' ? needs.context.replace(/:s0.*$/, ':s0') : needs.context;
}

function hurts(entry: RelabelEntry, owner: Tenure, use: ImageUse): boolean {
  if (owner.host === entry.moment.host) return false;
  const { uid, gid, context } = entry.asked;
  const needed = neededContext(owner.needs, use);
  return (
    (uid !== null && uid !== owner.needs.uid) ||
    (gid !== null && gid !== owner.needs.gid) ||
    (context !== null && needed !== null && context !== needed)
  );
}

/** A stretch of a guest's life between two changes of owner; `tenure` null: it ran nowhere. */
interface Segment {
  tenure: Tenure | null;
  after: Moment | null;
  before: Moment | null;
  /** were the changes at both ends collected */
  seen: boolean;
}

function segmentsOf(tenures: Tenure[]): Segment[] {
  const segments: Segment[] = [];
  let last: Tenure | null = null;
  for (const tenure of tenures) {
    if (tenure.from !== null && tenure.from !== last?.to) {
      segments.push({
        tenure: null,
        after: last?.to ?? null,
        before: tenure.from,
        seen: tenure.from_seen && (last?.to_seen ?? true),
      });
    }
    segments.push({
      tenure,
      after: tenure.from,
      before: tenure.to,
      seen: (tenure.from === null || tenure.from_seen) && (tenure.to === null || tenure.to_seen),
    });
    last = tenure;
  }
  if (last?.to) segments.push({ tenure: null, after: last.to, before: null, seen: last.to_seen });
  return segments;
}

function couldBeIn({ moment, window }: RelabelEntry, segment: Segment, guest: string): boolean {
  const { after, before, tenure } = segment;
  const isBefore = (first: Moment, second: Moment) => happenedBefore(first, second, guest);
  if (tenure?.taken && tenure.host === moment.host && isBefore(moment, tenure.taken)) return false;
  if (after !== null && [moment, window?.before].some((act) => act && isBefore(act, after))) return false;
  if (before === null) return true;
  return ![moment, window?.after].some((act) => act && (act === before || isBefore(before, act)));
}

function happenedBefore(first: Moment, second: Moment, guest: string): boolean {
  if (first.host === second.host) return first.act < second.act;
  return (second.known.get(guest)?.[first.host] ?? 0) >= first.act;
}

function isDuring(moment: Moment, tenure: Tenure, guest: string): boolean {
  if (tenure.from !== null && !isAfter(moment, tenure.from, guest)) return false;
  return tenure.to === null || !isAfter(moment, tenure.to, guest);
}

/** True time; between acts of one instant the causal order decides. */
function isAfter(moment: Moment, other: Moment, guest: string): boolean {
  if (moment.elapsed_us !== other.elapsed_us) return moment.elapsed_us > other.elapsed_us;
  return happenedBefore(other, moment, guest);
}
