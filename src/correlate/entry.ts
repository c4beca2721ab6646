import type { Event, Stream } from '../events/event.js';

/** One event and its place in what its host wrote. */
export interface Entry {
  event: Event;
  /** µs, steps of the host's clock taken out; NaN until it has been given its place */
  time: number;
  /** place among the events of its stream; not always a whole number */
  order: number;
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

/** The order of one host's record. */
export function compareEntries(a: Entry, b: Entry): number {
  return a.time - b.time || STREAM_RANK[a.event.stream] - STREAM_RANK[b.event.stream] || a.order - b.order;
}

/** Index of the first entry that does not come before. */
export function lowerBound<T>(sorted: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(sorted[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Puts the item into its place; nearly always that is the end. */
export function insertSorted<T>(sorted: T[], item: T, compare: (a: T, b: T) => number): void {
  const last = sorted.at(-1);
  if (last === undefined || compare(last, item) <= 0) sorted.push(item);
  else
    sorted.splice(
      lowerBound(sorted, (each) => compare(each, item) <= 0),
      0,
      item,
    );
}
