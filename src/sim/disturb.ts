import { groupBy } from '../domain/group.js';
import type { Event, EventOf, GapKind, Stream } from '../events/event.js';
import { auditEventId, contentEventId } from '../events/identity.js';
import type { Random } from './random.js';

/**
 * What can happen to events between the host and the correlator. None of these changes its argument; all but
 * `dropStream`, `cutStretches` and `removeAndMarkGap` must leave every verdict as it is.
 */

export function shuffle(events: readonly Event[], random: Random): Event[] {
  return random.shuffled(events);
}

/** Some events twice or three times, anywhere. */
export function duplicate(events: readonly Event[], random: Random): Event[] {
  const again = events.filter(() => random.chance(0.3));
  return random.shuffled([...events, ...again, ...again.filter(() => random.chance(0.2))]);
}

/** Some events late, up to the very end. */
export function delay(events: readonly Event[], random: Random): Event[] {
  return events
    .map((event, index) => ({ event, at: random.chance(0.2) ? random.between(index, events.length) : index }))
    .sort((a, b) => a.at - b.at)
    .map(({ event }) => event);
}

/** The logs cut in two at chance, read in parts that overlap, the later part first. */
export function splitAndImportAgain(events: readonly Event[], random: Random): Event[] {
  const cut = random.between(0, events.length);
  return [...events.slice(Math.max(0, cut - 20)), ...events.slice(0, cut), ...events].map((event) => ({
    ...event,
  }));
}

/** One host's clock shifted throughout: stamps, witnesses, ids and times within bodies. */
export function shiftClock(events: readonly Event[], host: string, by_us: number): Event[] {
  if (by_us % 1000 !== 0)
    throw new RangeError('logs have milliseconds: a clock can be shifted only by whole ones');
  return events.map((event) => (event.host === host ? shifted(event, by_us) : event));
}

function shifted(event: Event, by_us: number): Event {
  const at = event.at + by_us;
  const witness = Buffer.from(restamped(event.witness.toString('latin1'), by_us), 'latin1');
  const moved = { ...event, at, witness, body: shiftedBody(event, by_us) } as Event;
  return { ...moved, id: idOf(moved, event.id) };
}

const AUDIT_STAMP = /msg=audit\((\d+)\.(\d{3}):/g;
const VIRSH_STAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\+0000/;

function restamped(text: string, by_us: number): string {
  return text
    .replace(AUDIT_STAMP, (_, whole: string, thousandths: string) => {
      const at_ms = Number(whole) * 1000 + Number(thousandths) + by_us / 1000;
      return `msg=audit(${Math.floor(at_ms / 1000)}.${String(at_ms % 1000).padStart(3, '0')}:`;
    })
    .replace(VIRSH_STAMP, (_, day: string, time: string) => {
      const moved = new Date(Date.parse(`${day}T${time}Z`) + by_us / 1000).toISOString();
      return `${moved.slice(0, 10)} ${moved.slice(11, 23)}+0000`;
    });
}

function shiftedBody(event: Event, by_us: number): Event['body'] {
  if (event.kind === 'Heartbeat') {
    const streams = event.body.streams.map(({ stream, at }) => ({ stream, at: at + by_us }));
    return { ...event.body, streams };
  }
  if (event.kind !== 'GapDetected') return event.body;
  const { from, to } = event.body;
  return { ...event.body, from: from === null ? null : from + by_us, to: to === null ? null : to + by_us };
}

/** The id that a reader would give the moved event. */
function idOf(event: Event, former: string): string {
  if (event.stream === 'audit' && 'serial' in event.body && event.body.serial !== null) {
    return auditEventId(event.host, null, event.at / 1000, event.body.serial);
  }
  if (event.stream === 'audit') return former.replace(/\/\d+:(\d+)$/, `/${event.at / 1000}:$1`);
  const ordinal = Number(/\.(\d+)$/.exec(former)?.[1] ?? 0);
  const content = event.witness.length > 0 ? event.witness : Buffer.from(former);
  return contentEventId(event.host, event.boot, event.stream, event.at, content, ordinal);
}

const GAP_OF: Partial<Record<Stream, GapKind>> = { audit: 'audit-lost', 'virsh-event': 'event-stream-ended' };
const OBSERVED: readonly Stream[] = ['audit', 'virsh-event', 'qemu-monitor-event'];

/**
 * Takes events away and adds the gaps that collectors would have written for them: one for each run of events
 * missing next to each other in one stream of one host. What collectors state themselves is never taken.
 */
export function removeAndMarkGap(events: readonly Event[], isLost: (event: Event) => boolean): Event[] {
  const kept: Event[] = [];
  const gaps: Event[] = [];
  for (const stream of byStream(events)) {
    let run: Event[] = [];
    for (const event of stream) {
      if (OBSERVED.includes(event.stream) && isLost(event)) run.push(event);
      else {
        if (run.length > 0) gaps.push(gapFor(run));
        run = [];
        kept.push(event);
      }
    }
    if (run.length > 0) gaps.push(gapFor(run));
  }
  const keptIds = new Set(kept.map(({ id }) => id));
  return [...events.filter(({ id }) => keptIds.has(id)), ...gaps];
}

/** Stretches of one or all streams of a host, as when a disk was full or a collector was down. */
export function cutStretches(events: readonly Event[], random: Random): Event[] {
  const hosts = [...new Set(events.map(({ host }) => host))];
  const cuts = Array.from({ length: random.between(1, 3) }, () => {
    const host = random.pick(hosts);
    const stream = random.pick([null, ...OBSERVED]);
    const from = random.pick(events.filter((event) => event.host === host)).at;
    return { host, stream, from, to: from + random.between(1, 120) * 1_000_000 };
  });
  return removeAndMarkGap(events, ({ host, stream, at }) =>
    cuts.some(
      (cut) => cut.host === host && (cut.stream ?? stream) === stream && cut.from <= at && at <= cut.to,
    ),
  );
}

/** A stream that was never collected on a host, as its collector reports it: a hole without known ends. */
export function dropStream(events: readonly Event[], host: string, stream: Stream): Event[] {
  const lost = events.filter((event) => event.host === host && event.stream === stream);
  const [first] = lost;
  if (first === undefined) return [...events];
  const gap = gapEvent(first, null, null, lost.length);
  return [...events.filter((event) => !lost.includes(event)), gap];
}

function byStream(events: readonly Event[]): Event[][] {
  const streams = groupBy(events, (event) => `${event.cluster}/${event.host}/${event.stream}`);
  return [...streams.values()].map((stream) => stream.sort((a, b) => a.sequence - b.sequence));
}

function gapFor(run: Event[]): Event {
  const times = run.map(({ at }) => at);
  return gapEvent(run[0] as Event, Math.min(...times), Math.max(...times), run.length);
}

function gapEvent(
  model: Event,
  from: number | null,
  to: number | null,
  lost: number,
): EventOf<'GapDetected'> {
  const { cluster, host, boot, sequence, at, stream: of_stream } = model;
  const kind = GAP_OF[of_stream] ?? 'collector-down';
  const content = Buffer.from(`${kind} ${of_stream} ${from} ${to}`);
  return {
    cluster,
    host,
    boot,
    stream: 'collector',
    sequence: GAP_SEQUENCES + sequence,
    at: to ?? at,
    id: contentEventId(host, boot, 'collector', to ?? at, content, 0),
    witness: Buffer.alloc(0),
    kind: 'GapDetected',
    body: { kind, of_stream, from, to, lost, serial_from: null, serial_to: null, detail: 'removed' },
  };
}

/** Above the sequences that the simulator gives a collector's stream. */
const GAP_SEQUENCES = 1_000_000;
