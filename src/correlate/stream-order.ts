import { groupBy } from '../domain/group.js';
import type { Event, Stream } from '../events/event.js';
import { CLOCK_STEP_US } from './clock-steps.js';
import type { Entry } from './entry.js';

/** The order in which the events of one stream of one host were written. */

/** Several files make up the daemon's and the guests' logs; only their stamps order them. */
export function comparatorOf(stream: Stream): (a: Event, b: Event) => number {
  if (stream === 'daemon-log' || stream === 'guest-log') return byStamp;
  return stream === 'audit' ? bySerial : bySequence;
}

export function orderStream(stream: Stream, entries: Entry[]): Entry[] {
  if (stream === 'audit') return orderAudit(entries);
  const compare = comparatorOf(stream);
  return entries.sort((a, b) => compare(a.event, b.event));
}

function byStamp(a: Event, b: Event): number {
  return a.at - b.at || bySequence(a, b);
}

export function bySequence(a: Event, b: Event): number {
  return a.sequence - b.sequence || a.at - b.at || (a.id < b.id ? -1 : 1);
}

/** Of an audit event the kernel's serial; -1 where it has none. */
export function serialOf(event: Event): number {
  const body = event.body as { serial?: number | null; serial_from?: number | null };
  return body.serial ?? body.serial_from ?? -1;
}

export function bySerial(a: Event, b: Event): number {
  return serialOf(a) - serialOf(b) || a.at - b.at || (a.id < b.id ? -1 : 1);
}

/**
 * Audit events in the order of the kernel. Serials are exact within a boot and start again with the next; the
 * clock can be set within a boot.
 */
function orderAudit(entries: Entry[]): Entry[] {
  const serialised = entries.filter(({ event }) => serialOf(event) >= 0);
  const rest = entries.filter(({ event }) => serialOf(event) < 0);
  const known = serialised.every(({ event }) => event.boot !== null);
  const boots = known ? groupByBoot(serialised) : guessBoots(serialised);
  const ordered = boots.flatMap((boot) => boot.sort((a, b) => bySerial(a.event, b.event)));
  return rest.length === 0 ? ordered : mergeByTime(ordered, rest);
}

function groupByBoot(entries: Entry[]): Entry[][] {
  const boots = groupBy(entries, ({ event }) => event.boot);
  const began = new Map(
    [...boots.values()].map((boot) => [
      boot,
      boot.reduce((at, { event }) => Math.min(at, event.at), Number.POSITIVE_INFINITY),
    ]),
  );
  return [...began.keys()].sort(
    (a, b) =>
      (began.get(a) as number) - (began.get(b) as number) ||
      ((a[0]?.event.boot ?? '') < (b[0]?.event.boot ?? '') ? -1 : 1),
  );
}

/** Serials come out of order by a few; a reboot starts them anew. */
const SERIAL_REORDER_MAX = 64;

/**
 * Log files do not name boots. Of two readings the one with fewer breaks is taken: a reboot breaks the serials once
 * and a clock that was set breaks the time once, while the wrong reading breaks again and again.
 */
function guessBoots(entries: Entry[]): Entry[][] {
  const oneBoot = [...entries].sort((a, b) => bySerial(a.event, b.event));
  let timeBreaks = 0;
  for (let i = 1; i < oneBoot.length; i++) {
    if ((oneBoot[i - 1] as Entry).event.at - (oneBoot[i] as Entry).event.at > CLOCK_STEP_US) timeBreaks++;
  }
  if (timeBreaks === 0) return [oneBoot];
  const boots: Entry[][] = [[]];
  for (const entry of [...entries].sort((a, b) => a.event.at - b.event.at || bySerial(a.event, b.event))) {
    const boot = boots.at(-1) as Entry[];
    const last = boot.at(-1);
    if (last && serialOf(last.event) - serialOf(entry.event) > SERIAL_REORDER_MAX) boots.push([entry]);
    else boot.push(entry);
  }
  return boots.length - 1 <= timeBreaks ? boots : [oneBoot];
}

function mergeByTime(ordered: Entry[], rest: Entry[]): Entry[] {
  rest.sort(({ event: a }, { event: b }) => a.at - b.at || (a.id < b.id ? -1 : 1));
  const merged: Entry[] = [];
  let next = 0;
  for (const entry of ordered) {
    while (next < rest.length && (rest[next] as Entry).event.at < entry.event.at) {
      merged.push(rest[next] as Entry);
      next++;
    }
    merged.push(entry);
  }
  return merged.concat(rest.slice(next));
}
