import { getOrMake, groupBy } from '../domain/group.js';
import type { Event, EventOf, GapDetected, Stream } from '../events/event.js';
import { CLOCK_STEP_US, correctedTimes } from './clock-steps.js';
import { type HostFacts, mergeFacts } from './host-facts.js';

/**
 * What one host wrote down, in the order in which it happened there.
 *
 * Everything that the correlator says about before and after is said about one host's record, by position in it:
 * two hosts' clocks are never compared. Within a host the audit serials are exact; the other streams are laid
 * between them by time, after steps of the clock have been taken out.
 */
export interface HostRecord {
  host: string;
  /** every event of the host, in order */
  events: Event[];
  positions: Map<string, number>;
  /** µs, steps of the clock taken out; ascending; only for comparing within this host */
  times: number[];
  gaps: Gap[];
  /** streams that were read, even when they held nothing */
  streams: Set<Stream>;
  facts: HostFacts;
}

/** A hole in one stream, as positions in the record: what it hides lies after `from` and before `to`. */
export interface Gap {
  event: EventOf<'GapDetected'> | null;
  stream: Stream;
  kind: GapDetected['kind'];
  from: number;
  to: number;
  fromUs: number | null;
  toUs: number | null;
  lost: number | null;
  text: string;
}

/** Streams are written at different times for one moment: virsh prints milliseconds after the audit record. */
const STREAM_RANK: Record<Stream, number> = {
  audit: 0,
  'daemon-log': 1,
  'guest-log': 2,
  'qemu-monitor-event': 3,
  'virsh-event': 4,
  collector: 5,
  'host-facts': 6,
};

/** Written when somebody looked, not in a stream of their own. */
const SNAPSHOT_STREAMS: ReadonlySet<Stream> = new Set<Stream>(['collector', 'host-facts']);

export function buildHostRecord(host: string, events: readonly Event[]): HostRecord {
  const byStream = groupBy(events, (event) => event.stream);
  const stamped = [...byStream].filter(([stream]) => !SNAPSHOT_STREAMS.has(stream));
  const ordered = stamped.map(([stream, list]) => orderStream(stream, list));
  const corrected = correctedTimes(ordered);
  const timed: { event: Event; time: number; rank: number; index: number }[] = [];
  for (const [i, list] of ordered.entries()) {
    for (const [index, event] of list.entries()) {
      const time = (corrected[i] as number[])[index] as number;
      timed.push({ event, time, rank: STREAM_RANK[event.stream], index });
    }
  }
  for (const stream of SNAPSHOT_STREAMS) {
    for (const [index, event] of (byStream.get(stream) ?? []).sort(bySequence).entries()) {
      timed.push({ event, time: event.at, rank: STREAM_RANK[stream], index });
    }
  }
  timed.sort((a, b) => a.time - b.time || a.rank - b.rank || a.index - b.index);

  const record: HostRecord = {
    host,
    events: timed.map((t) => t.event),
    positions: new Map(timed.map((t, i) => [t.event.id, i])),
    times: timed.map((t) => t.time),
    gaps: [],
    streams: new Set(byStream.keys()),
    facts: mergeFacts(factEvents(timed.map((t) => t.event))),
  };
  for (const event of record.events) {
    if (event.kind === 'Heartbeat') for (const { stream } of event.body.streams) record.streams.add(stream);
  }
  record.facts.hypervisor ||= LIBVIRT_STREAMS.some((stream) => record.streams.has(stream));
  record.facts.hypervisor ||= record.events.some((event) => SAID_BY_A_HYPERVISOR.has(event.kind));
  record.gaps = collectGaps(record);
  return record;
}

/** Streams that only a host with libvirt has, even while they hold nothing. */
const LIBVIRT_STREAMS: readonly Stream[] = ['virsh-event', 'qemu-monitor-event', 'daemon-log', 'guest-log'];

/** Kinds of event that only a host with libvirt and guests gives. */
const SAID_BY_A_HYPERVISOR: ReadonlySet<string> = new Set([
  'GuestStarted',
  'GuestStopped',
  'GuestLabelAssigned',
  'LifecycleChanged',
  'VcpusStopped',
  'VcpusResumed',
  'MigrationStatusChanged',
  'GuestIoError',
  'GuestsListed',
]);

function factEvents(events: Event[]): EventOf<'HostFactsRead'>[] {
  return events.filter((event): event is EventOf<'HostFactsRead'> => event.kind === 'HostFactsRead');
}

/** Several files make up the daemon's and the guests' logs; only their stamps order them. */
function orderStream(stream: Stream, events: Event[]): Event[] {
  if (stream === 'audit') return orderAudit(events);
  if (stream === 'daemon-log' || stream === 'guest-log')
    return events.sort((a, b) => a.at - b.at || bySequence(a, b));
  return events.sort(bySequence);
}

function bySequence(a: Event, b: Event): number {
  return a.sequence - b.sequence || a.at - b.at || (a.id < b.id ? -1 : 1);
}

function serialOf(event: Event): number {
  const body = event.body as { serial?: number | null; serial_from?: number | null };
  return body.serial ?? body.serial_from ?? -1;
}

/**
 * Audit events in the order of the kernel. Serials are exact within a boot and start again with the next; the
 * clock can be set within a boot.
 */
function orderAudit(events: Event[]): Event[] {
  const serialised = events.filter((event) => serialOf(event) >= 0);
  const rest = events.filter((event) => serialOf(event) < 0);
  const known = serialised.every((event) => event.boot !== null);
  const boots = known ? groupByBoot(serialised) : guessBoots(serialised);
  const ordered = boots.flatMap((boot) => boot.sort(bySerial));
  return rest.length === 0 ? ordered : mergeByTime(ordered, rest);
}

function bySerial(a: Event, b: Event): number {
  return serialOf(a) - serialOf(b) || a.at - b.at || (a.id < b.id ? -1 : 1);
}

function groupByBoot(events: Event[]): Event[][] {
  const boots = groupBy(events, (event) => event.boot);
  const began = (boot: Event[]) =>
    boot.reduce((at, event) => Math.min(at, event.at), Number.POSITIVE_INFINITY);
  return [...boots.values()].sort((a, b) => began(a) - began(b));
}

/** Serials come out of order by a few; a reboot starts them anew. */
const SERIAL_REORDER_MAX = 64;

/**
 * Log files do not name boots. Of two readings the one with fewer breaks is taken: a reboot breaks the serials once
 * and a clock that was set breaks the time once, while the wrong reading breaks again and again.
 */
function guessBoots(events: Event[]): Event[][] {
  const oneBoot = [...events].sort(bySerial);
  let timeBreaks = 0;
  for (let i = 1; i < oneBoot.length; i++) {
    if ((oneBoot[i - 1] as Event).at - (oneBoot[i] as Event).at > CLOCK_STEP_US) timeBreaks++;
  }
  if (timeBreaks === 0) return [oneBoot];
  const boots: Event[][] = [[]];
  for (const event of [...events].sort((a, b) => a.at - b.at || bySerial(a, b))) {
    const boot = boots.at(-1) as Event[];
    const last = boot.at(-1);
    if (last && serialOf(last) - serialOf(event) > SERIAL_REORDER_MAX) boots.push([event]);
    else boot.push(event);
  }
  return boots.length - 1 <= timeBreaks ? boots : [oneBoot];
}

function mergeByTime(ordered: Event[], rest: Event[]): Event[] {
  const queue = [...rest].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  const merged: Event[] = [];
  for (const event of ordered) {
    while (queue.length > 0 && (queue[0] as Event).at < event.at) merged.push(queue.shift() as Event);
    merged.push(event);
  }
  return merged.concat(queue);
}

/** First position whose time is not before `us`. */
function positionAt(record: HostRecord, us: number): number {
  let low = 0;
  let high = record.times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((record.times[middle] as number) < us) low = middle + 1;
    else high = middle;
  }
  return low;
}

function collectGaps(record: HostRecord): Gap[] {
  const gaps: Gap[] = [];
  for (const event of record.events) {
    if (event.kind !== 'GapDetected') continue;
    const { body } = event;
    const heardAgain = body.kind === 'event-stream-ended' && body.to === null ? nextOf(record, event) : null;
    const open = heardAgain ?? record.events.length;
    gaps.push({
      event,
      stream: body.of_stream,
      kind: body.kind,
      from: body.from === null ? -1 : positionAt(record, body.from) - 1,
      to: body.to === null ? open : positionAt(record, body.to + 1),
      fromUs: body.from,
      toUs: heardAgain === null ? body.to : (record.events[heardAgain] as Event).at,
      lost: body.lost,
      text: body.detail,
    });
  }
  const lost = record.facts.auditLost;
  if (lost !== null && lost.count > 0) {
    gaps.push({
      event: null,
      stream: 'audit',
      kind: 'audit-lost',
      from: -1,
      to: record.events.length,
      fromUs: lost.sinceUs,
      toUs: lost.untilUs,
      lost: lost.count,
      text:
        lost.sinceUs === null
          ? `the kernel lost ${lost.count} audit records since boot; when is not known`
          : `the kernel lost ${lost.count} audit records while this was recorded`,
    });
  }
  return gaps;
}

/** A virsh that was started again tells of what comes from then on: where the stream's first event after the gap stands. */
function nextOf(record: HostRecord, { body, sequence }: EventOf<'GapDetected'>): number | null {
  let next: number | null = null;
  for (const [position, event] of record.events.entries()) {
    if (event.stream !== body.of_stream || event.kind === 'GapDetected' || event.sequence <= sequence)
      continue;
    if (next === null || event.sequence < (record.events[next] as Event).sequence) next = position;
  }
  return next;
}

/** Kinds of gap that hide events. A cut relabel event is one event with parts missing, which it says itself. */
function hidesEvents(gap: Gap): boolean {
  return gap.kind !== 'audit-rules-changed' || gap.lost !== null;
}

/** Gaps of a stream that could hide something strictly between two positions. */
export function gapsBetween(record: HostRecord, streams: readonly Stream[], from: number, to: number): Gap[] {
  return record.gaps.filter(
    (gap) => streams.includes(gap.stream) && hidesEvents(gap) && gap.from < to && gap.to > from,
  );
}

/** True when the stream was read and nothing of it can be missing between the two positions. */
export function covers(record: HostRecord, stream: Stream, from: number, to: number): boolean {
  return record.streams.has(stream) && furthestHidden(record, stream, to) <= from;
}

/** Gaps of one stream by where they begin, each with the furthest end of it and of all that begin before. */
interface Reach {
  from: number[];
  to: number[];
}

const reaches = new WeakMap<readonly Gap[], Map<Stream, Reach>>();

/** How far the gaps that begin before a position reach. */
function furthestHidden(record: HostRecord, stream: Stream, before: number): number {
  const { from, to } = reachOf(record.gaps, stream);
  let low = 0;
  let high = from.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((from[middle] as number) < before) low = middle + 1;
    else high = middle;
  }
  return to[low - 1] ?? Number.NEGATIVE_INFINITY;
}

/** A damaged log has thousands of gaps, and every verdict asks about them many times. */
function reachOf(gaps: readonly Gap[], stream: Stream): Reach {
  const byStream = getOrMake(reaches, gaps, () => new Map<Stream, Reach>());
  return getOrMake(byStream, stream, () => {
    const hiding = gaps.filter((gap) => gap.stream === stream && hidesEvents(gap));
    hiding.sort((a, b) => a.from - b.from);
    let furthest = Number.NEGATIVE_INFINITY;
    return {
      from: hiding.map((gap) => gap.from),
      to: hiding.map((gap) => {
        furthest = Math.max(furthest, gap.to);
        return furthest;
      }),
    };
  });
}

/** True when at least one of the streams is whole between the two positions. */
export function coversAny(record: HostRecord, streams: readonly Stream[], from: number, to: number): boolean {
  return streams.some((stream) => covers(record, stream, from, to));
}
