import {
  type CorrelatorOptions,
  type CorrelatorState,
  createState,
  decide,
  evolve,
} from '../correlate/correlate.js';
import type { GuestRef, Report, TimelineEntry } from '../domain/report.js';
import { LATEST_TIME_US } from '../domain/time.js';
import type { Event, EventOf, Stream } from '../events/event.js';
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
  items: JudgedItem[];
  /** that anything is known of */
  guests: number;
  /** everything that is not among `items` is not said any more */
  isWhole: boolean;
}

export class Judge {
  readonly #state: CorrelatorState;
  readonly #heartbeats = new Map<string, number>();
  readonly #cluster: string;

  constructor(cluster: string, options: CorrelatorOptions) {
    this.#cluster = cluster;
    this.#state = createState(options);
  }

  /** Returns whether the event, or this copy of it, says anything new. */
  take(event: Event): boolean {
    const known = this.#state.events.get(event.id);
    evolve(this.#state, event);
    return this.#state.events.get(event.id) !== known;
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
    return { ...judgedOf(this.#withoutOwnEvents(decide(this.#state))), isWhole: true };
  }

  #withoutOwnEvents(report: Report): Report {
    const hosts = report.hosts.map((host) => ({
      ...host,
      events: host.events - (this.#heartbeats.get(host.host) ?? 0),
    }));
    return { ...report, hosts };
  }
}

/** Of two copies of an event the one that the correlator would keep. */
export function fullerCopy(a: Event, b: Event): Event {
  const state = createState();
  evolve(state, a);
  evolve(state, b);
  return state.events.get(a.id) as Event;
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

function judgedOf(report: Report): Omit<Judged, 'isWhole'> {
  const places = new GuestPlaces(report.timeline);
  const orders = new TimelineOrder();
  const items = CONCLUSION_TABLES.flatMap((table) =>
    locatedItems(table, report[table]).map((each): JudgedItem => {
      const moment = momentOf(each);
      const guest = moment === null ? null : (each.item as { guest: GuestRef | null }).guest;
      return {
        ...each,
        moment,
        hosts: moment === null ? each.hosts : places.with(guest, each.hosts),
        ...orderOf(each, orders),
      };
    }),
  );
  return { items, guests: orders.guests };
}

type Located = Pick<JudgedItem, 'table' | 'id' | 'item' | 'host' | 'at_us' | 'hosts'>;

function locatedItems<T extends ConclusionTable>(table: T, items: readonly ConclusionItems[T][]): Located[] {
  return SHAPES[table]
    .locate(items)
    .map((conclusion, index) => ({ table, item: items[index] as ConclusionItems[T], ...conclusion }));
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

  get guests(): number {
    return this.#latest.size;
  }

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
  readonly #hosts = new Map<string, Set<string>>();

  constructor(timeline: readonly TimelineEntry[]) {
    for (const { guest, host, kind } of timeline) {
      if (OF_WHOLE_HOSTS.has(kind)) continue;
      const key = guestKey(guest);
      const hosts = this.#hosts.get(key);
      if (hosts === undefined) this.#hosts.set(key, new Set([host]));
      else hosts.add(host);
    }
  }

  with(guest: GuestRef | null, hosts: readonly string[]): readonly string[] {
    const seen = this.#hosts.get(guestKey(guest));
    return seen === undefined ? hosts : [...new Set([...hosts, ...seen])].sort();
  }
}

function guestKey(guest: GuestRef | null): string {
  return guest === null ? '' : JSON.stringify([guest.uuid, guest.name]);
}
