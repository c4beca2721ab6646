import {
  type CorrelatorOptions,
  type CorrelatorState,
  createState,
  evolve,
  retained,
} from '../correlate/correlate.js';
import { namedBy, refOf } from '../correlate/expired.js';
import { guestsNamedBy } from '../correlate/family.js';
import { type HostRemains, isSettled, Remains } from '../correlate/remains.js';
import { type Revision, revise } from '../correlate/revise.js';
import { type Horizon, type Proposal, settledIn } from '../correlate/settled.js';
import { groupBy } from '../domain/group.js';
import type { GuestRef, HostReport, TimelineEntry } from '../domain/report.js';
import { LATEST_TIME_US } from '../domain/time.js';
import type { Event, EventOf, Stream } from '../events/event.js';
import { sizeOf } from '../events/event-size.js';
import {
  CONCLUSION_TABLES,
  type ConclusionItems,
  type ConclusionTable,
  SHAPES,
} from '../store/conclusions.js';
import type { Moment } from './watermarks.js';

/** The correlator as the processor uses it: one cluster's events in, what is to be said about them out. */

/** An item of the report, with what is needed to say it. */
export interface JudgedItem {
  table: ConclusionTable;
  id: string;
  item: ConclusionItems[ConclusionTable];
  host: string;
  at_us: number;
  /** whose records it rests on, sorted */
  hosts: readonly string[];
  order_us: number;
  place: number;
  /** what every one of `hosts` must have passed for it to be confirmed; null where there is no verdict */
  moment: Moment | null;
}

export interface Judged {
  /** what may be said otherwise than before */
  items: JudgedItem[];
  /** what is not said any more, where it is not among `items` all the same */
  gone: { table: ConclusionTable; id: string }[];
  /** relabels that turned out to be of guests whose events of that time had been let go */
  late: Revision['late'];
  /** nothing was judged before, so all is; whatever else was ever said, is not said any more */
  isWhole: boolean;
}

export class Judge {
  readonly #state: CorrelatorState;
  readonly #heartbeats = new Map<string, number>();
  readonly #places = new GuestPlaces();
  readonly #cluster: string;
  readonly #options: CorrelatorOptions;
  #bytes = 0;
  /** hosts of which something was taken in since they were last reported */
  readonly #heard = new Set<string>();
  #isWhole = true;

  constructor(cluster: string, options: CorrelatorOptions, remains = new Remains()) {
    this.#cluster = cluster;
    this.#options = options;
    this.#state = createState(options, remains);
  }

  /** Of events that were let go. */
  get remains(): Remains {
    return this.#state.remains;
  }

  /** What the events take in memory, about. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#state.entries.size;
  }

  /** Ids of events that another has not. */
  missingIn(other: Judge): string[] {
    return [...this.#state.entries.keys()].filter((id) => !other.#state.entries.has(id)).sort();
  }

  /** What can be let go of, as far as can be told before it is tried. */
  settled(horizon: Horizon): Proposal[] {
    const cluster = this.#state.clusters.get(this.#cluster);
    return cluster === undefined ? [] : settledIn(cluster, horizon);
  }

  /** One that knows all the same but for some events. */
  without(letGo: ReadonlySet<string>, remains: Remains): Judge {
    const judge = new Judge(this.#cluster, this.#options, remains);
    for (const event of retained(this.#state)) if (!letGo.has(event.id)) judge.take(event);
    for (const [host, count] of this.#heartbeats) judge.#heartbeats.set(host, count);
    return judge;
  }

  /** What is to be left of a host when some more of its events are let go. */
  hostRemains(host: string, letGo: number): HostRemains | undefined {
    return this.#state.clusters.get(this.#cluster)?.hosts.get(host)?.remainsWithout(letGo);
  }

  /** Before relabels are asked about: what came with them may tell whose files they are of. */
  placeNew(): void {
    if (this.remains.size > 0) this.#state.clusters.get(this.#cluster)?.settle();
  }

  /**
   * The guest of an event that cannot be judged any more: what it belongs to was let go. `isKept` tells whether it can
   * still matter for what comes later.
   */
  expired(event: Event): { guest: GuestRef; isKept: boolean } | null {
    const { remains, entries, clusters } = this.#state;
    if (remains.size === 0 || entries.has(event.id)) return null;
    if (event.kind === 'RelabelObserved') {
      const files = clusters.get(this.#cluster)?.files;
      const keys = files?.keysOfCall(event) ?? [];
      const users = [...(files?.usersOfKeys(keys) ?? [])];
      const ofUsers = users.flatMap((family) => [...remains.ofFamily(family)]);
      const ofFile = remains.ofFile(keys);
      const found = ofUsers[0] ?? ofFile;
      if (found === null) return null;
      if (isSettled(ofFile === null ? ofUsers : [...ofUsers, ofFile], event.host, event.at))
        return { guest: refOf(found), isKept: false };
      return users.length > 0 ? null : { guest: refOf(found), isKept: true };
    }
    if (event.kind === 'GuestsListed') return null;
    for (const guest of guestsNamedBy(event))
      for (const found of remains.ofGuest(guest))
        if (isSettled([found], event.host, event.at)) return { guest: namedBy(event, found), isKept: false };
    return null;
  }

  /** That anything is known of. */
  get guests(): number {
    return this.#places.guests;
  }

  /** Returns whether the event, or this copy of it, says anything new. */
  take(event: Event): boolean {
    const known = this.#state.entries.get(event.id)?.event;
    evolve(this.#state, event);
    if (this.#state.entries.get(event.id)?.event === known) return false;
    this.#bytes += sizeOf(event) - (known === undefined ? 0 : sizeOf(known));
    this.#heard.add(event.host);
    return true;
  }

  /**
   * The correlator asks of heartbeats only which streams a host is read from. One made up for each stream tells it
   * that, so that the true ones, thousands a day, need not be kept.
   */
  readsStreams(host: string, streams: readonly Stream[]): boolean {
    const changed = streams.map((stream) => this.take(streamIsRead(this.#cluster, host, stream)));
    this.#heartbeats.set(host, streams.length);
    return changed.includes(true);
  }

  revise(): Judged {
    const judged: Judged = { items: [], gone: [], late: [], isWhole: this.#isWhole };
    for (const revision of revise(this.#state)) {
      this.#places.learn(revision.timeline);
      judged.late.push(...revision.late);
      addItems(judged.items, { ...revision, hosts: this.#reported(revision.hosts) }, this.#places);
      for (const table of ['migrations', 'relabels', 'findings', 'timeline'] as const)
        for (const id of revision.gone[table]) judged.gone.push({ table, id });
    }
    this.#heard.clear();
    this.#isWhole = false;
    return judged;
  }

  /** Those that can have changed, without the heartbeats that were made up. */
  #reported(hosts: readonly HostReport[]): HostReport[] {
    return hosts
      .filter(({ host }) => this.#heard.has(host))
      .map((host) => ({ ...host, events: host.events - (this.#heartbeats.get(host.host) ?? 0) }));
  }
}

/** Of two copies of an event the one that the correlator would keep. */
export function fullerCopy(a: Event, b: Event): Event {
  const state = createState();
  evolve(state, a);
  evolve(state, b);
  return state.entries.get(a.id)?.event ?? a;
}

/** Stands behind everything that a host ever says, where it touches no order. */
function streamIsRead(cluster: string, host: string, stream: Stream): EventOf<'Heartbeat'> {
  return {
    cluster,
    host,
    boot: null,
    stream: 'collector',
    sequence: 0,
    at: LATEST_TIME_US,
    id: `${host}/collector/reads:${stream}`,
    witness: Buffer.alloc(0),
    kind: 'Heartbeat',
    body: {
      streams: [{ stream, at: LATEST_TIME_US }],
      clock_offset_us: null,
      clock_uncertainty_us: null,
    },
  };
}

function addItems(
  into: JudgedItem[],
  revision: Omit<Revision, 'gone' | 'late' | 'cluster'>,
  places: GuestPlaces,
): void {
  const orders = new TimelineOrder();
  for (const table of CONCLUSION_TABLES)
    for (const located of locatedItems(table, revision[table])) {
      const { id, item, host, at_us } = located;
      const moment = momentOf(located);
      const guest = moment === null ? null : (item as { guest: GuestRef | null }).guest;
      const hosts = moment === null ? located.hosts : places.with(guest, located.hosts);
      const { order_us, place } = orderOf(located, orders);
      into.push({ table, id, item, host, at_us, hosts, order_us, place, moment });
    }
}

type Located = Pick<JudgedItem, 'table' | 'id' | 'item' | 'host' | 'at_us' | 'hosts'>;

function locatedItems<T extends ConclusionTable>(table: T, items: readonly ConclusionItems[T][]): Located[] {
  return SHAPES[table].locate(items).map(({ id, host, at_us, hosts }, index) => ({
    table,
    item: items[index] as ConclusionItems[T],
    id,
    host,
    at_us,
    hosts,
  }));
}

/** The last moment that the item speaks of, on the clock of its host as far as that can be told. */
function momentOf({ table, item, host, at_us }: Located): Moment | null {
  switch (table) {
    case 'relabels':
      return { host, at_us };
    case 'findings':
      return { host, at_us: Math.max(at_us, (item as ConclusionItems['findings']).resolved_us ?? at_us) };
    case 'migrations':
      return { host, at_us: Math.max(at_us, (item as ConclusionItems['migrations']).ended_us ?? at_us) };
    case 'hosts':
    case 'timeline':
      return null;
  }
}

/** The order in which the items of one guest, or of a table, are to be shown. */
function orderOf(
  { table, item, at_us }: Located,
  timeline: TimelineOrder,
): { order_us: number; place: number } {
  switch (table) {
    case 'hosts':
      return { order_us: 0, place: 0 };
    case 'relabels':
      return { order_us: at_us, place: Math.max(0, (item as ConclusionItems['relabels']).serial) };
    case 'timeline':
      return timeline.next(item as TimelineEntry);
    case 'migrations':
    case 'findings':
      return { order_us: at_us, place: 0 };
  }
}

/** A timeline is in order for each guest, and `at_us` is not: the hosts' clocks disagree. */
class TimelineOrder {
  readonly #latest = new Map<string, { order_us: number; place: number }>();

  next({ guest, at_us }: TimelineEntry): { order_us: number; place: number } {
    const key = guestKey(guest);
    const latest = this.#latest.get(key);
    const isLater = latest === undefined || at_us > latest.order_us;
    const order = isLater
      ? { order_us: at_us, place: 0 }
      : { order_us: latest.order_us, place: latest.place + 1 };
    this.#latest.set(key, order);
    return order;
  }
}

/** Entries that every guest of a host has, whether it was ever there or not. */
const OF_WHOLE_HOSTS: ReadonlySet<string> = new Set(['DaemonChanged', 'GapDetected']);

/** The hosts on which guests were seen: what is said of a guest rests on them all. */
class GuestPlaces {
  readonly #hosts = new Map<string, ReadonlySet<string>>();

  get guests(): number {
    return this.#hosts.size;
  }

  /** @param timeline whole for each guest that is in it */
  learn(timeline: readonly TimelineEntry[]): void {
    for (const [guest, entries] of groupBy(timeline, (entry) => guestKey(entry.guest))) {
      const own = entries.filter(({ kind }) => !OF_WHOLE_HOSTS.has(kind));
      this.#hosts.set(guest, new Set(own.map(({ host }) => host)));
    }
  }

  with(guest: GuestRef | null, hosts: readonly string[]): readonly string[] {
    const seen = this.#hosts.get(guestKey(guest));
    return seen === undefined ? hosts : [...new Set([...hosts, ...seen])].sort();
  }
}

function guestKey(guest: GuestRef | null): string {
  return guest === null ? '' : (guest.uuid ?? `name:${guest.name}`);
}
