import type { Event, Stream } from '../events/event.js';
import type { Gaps } from './gaps.js';
import type { HostFacts } from './host-facts.js';

/**
 * What one host wrote down about one family of guests, in the order in which it happened there, and what is known of
 * the host as a whole.
 *
 * Everything that the correlator says about before and after is said about one host's record, by position in it:
 * two hosts' clocks are never compared. Within a host the audit serials are exact; the other streams are laid
 * between them by time, after steps of the clock have been taken out.
 */
export interface HostRecord {
  host: string;
  /** in order; the lists of guests among them name guests of the family only */
  events: readonly Event[];
  /** µs, steps of the clock taken out; ascending; only for comparing within this host */
  times: readonly number[];
  /** positions of the events that name guests of the family or concern all guests, ascending */
  own: readonly number[];
  /** positions of the gaps that were recorded */
  gapPositions: readonly number[];
  gaps: Gaps;
  /** streams that were read, even when they held nothing */
  streams: ReadonlySet<Stream>;
  facts: HostFacts;
  /** stamp of the first event of the host, whatever it is about; µs */
  began_us: number;
  /** corrected time of the last event of the host, whatever it is about, that is not later; µs */
  lastTimeUntil: (at_us: number) => number;
}

/** QEMU tells of a migration's setup before libvirt has written that it started QEMU, by less than this. */
export const START_FOLLOWS_US = 1_000_000;

/** True when the stream was read and nothing of it can be missing between the two positions. */
export function covers(record: HostRecord, stream: Stream, from: number, to: number): boolean {
  if (!record.streams.has(stream)) return false;
  if (to < 0) return true;
  const { times } = record;
  const hidden = record.gaps.hiddenUntil(stream, times[to] ?? Number.POSITIVE_INFINITY);
  if (hidden === Number.NEGATIVE_INFINITY || from >= times.length) return true;
  return from >= 0 && hidden < (times[from] as number);
}

/** True when at least one of the streams is whole between the two positions. */
export function coversAny(record: HostRecord, streams: readonly Stream[], from: number, to: number): boolean {
  return streams.some((stream) => covers(record, stream, from, to));
}

/** True when at least one of the streams is whole from the beginning to a time. */
export function coversUntil(record: HostRecord, streams: readonly Stream[], at_us: number): boolean {
  return streams.some(
    (stream) =>
      record.streams.has(stream) && record.gaps.hiddenUntil(stream, at_us) === Number.NEGATIVE_INFINITY,
  );
}
