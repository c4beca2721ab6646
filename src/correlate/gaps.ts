import { getOrMake } from '../domain/group.js';
import type { EventOf, GapDetected, Stream } from '../events/event.js';
import type { CorrectedClock, Unsettled } from './clock-steps.js';
import { type Entry, lowerBound } from './entry.js';
import type { HostFacts } from './host-facts.js';

/** A hole in one stream of a host: it can hide what happened there from `fromUs` to `toUs`. */
export interface Gap {
  event: EventOf<'GapDetected'> | null;
  stream: Stream;
  kind: GapDetected['kind'];
  /** null: it may reach back to the beginning */
  fromUs: number | null;
  /** null: it may reach to the end */
  toUs: number | null;
  /** from when and up to when it can hide anything, on the host's corrected scale; null: from the beginning, to the end */
  hidesFromUs: number | null;
  hidesUntilUs: number | null;
  lost: number | null;
  text: string;
}

/** A recorded gap, and the first event after it where a stream that had ended was heard again. */
export interface RecordedGap {
  gap: Entry;
  heardAgain: Entry | null;
}

/** Gaps of one stream by where they begin, each with the furthest end of it and of all that begin before; µs. */
interface Reach {
  from: number[];
  until: number[];
}

/**
 * The holes in what one host wrote. They are told by time, on the host's own corrected scale, so that any part of its
 * record can be held against them.
 */
export class Gaps {
  readonly list: readonly Gap[];
  /** times in which the order of events is not known: anything could be missing where it is asked about */
  private readonly unsettled: readonly Unsettled[];
  /** up to here every stream can have held more than is here; µs */
  private readonly letGoUntil_us: number;
  private beginnings: number[] | null = null;
  private readonly reaches = new Map<Stream, Reach>();

  constructor(
    list: readonly Gap[],
    unsettled: readonly Unsettled[] = [],
    letGoUntil_us = Number.NEGATIVE_INFINITY,
  ) {
    this.list = list;
    this.unsettled = unsettled;
    this.letGoUntil_us = letGoUntil_us;
  }

  /** The same holes, and one from the beginning to a time in which events were let go. */
  withLetGo(until_us: number): Gaps {
    return new Gaps(this.list, this.unsettled, until_us);
  }

  /** How far the holes of a stream reach that begin at or before a time; -Infinity when there is none. */
  hiddenUntil(stream: Stream, at_us: number): number {
    if (this.list.length === 0 && this.unsettled.length === 0) return this.letGoUntil_us;
    const { from, until } = getOrMake(this.reaches, stream, () => this.reachOf(stream));
    const after = lowerBound(from, (each) => each <= at_us);
    return Math.max(until[after - 1] ?? Number.NEGATIVE_INFINITY, this.letGoUntil_us);
  }

  /** Could anything of the stream be missing, at any time? */
  hideIn(stream: Stream): boolean {
    return this.hiddenUntil(stream, Number.POSITIVE_INFINITY) > Number.NEGATIVE_INFINITY;
  }

  /** Does a recorded hole begin within this time, its ends included? */
  beginWithin(from_us: number, to_us: number): boolean {
    this.beginnings ??= this.list
      .flatMap(({ hidesFromUs, event }) => (event === null || hidesFromUs === null ? [] : [hidesFromUs]))
      .sort((a, b) => a - b);
    const index = lowerBound(this.beginnings, (each) => each < from_us);
    return (this.beginnings[index] ?? Number.POSITIVE_INFINITY) <= to_us;
  }

  /** A damaged log has thousands of gaps, and every verdict asks about them many times. */
  private reachOf(stream: Stream): Reach {
    const hiding = this.list
      .filter((gap) => gap.stream === stream && hidesEvents(gap))
      .map(({ hidesFromUs, hidesUntilUs, event }) => ({
        // what the kernel counted as lost can be anywhere: its times are those of the readings
        from: event === null ? Number.NEGATIVE_INFINITY : (hidesFromUs ?? Number.NEGATIVE_INFINITY),
        until: event === null ? Number.POSITIVE_INFINITY : (hidesUntilUs ?? Number.POSITIVE_INFINITY),
      }))
      .concat(this.unsettled.map(({ from_us, until_us }) => ({ from: from_us, until: until_us })))
      .sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    let furthest = Number.NEGATIVE_INFINITY;
    return {
      from: hiding.map((gap) => gap.from),
      until: hiding.map((gap) => {
        furthest = Math.max(furthest, gap.until);
        return furthest;
      }),
    };
  }
}

/** Kinds of gap that hide events. A cut relabel event is one event with parts missing, which it says itself. */
function hidesEvents(gap: Gap): boolean {
  return gap.kind !== 'audit-rules-changed' || gap.lost !== null;
}

/** virsh wrote that it had ended; whatever it writes then, another one has heard. */
export function isOpenEnd({ stream, body }: EventOf<'GapDetected'>): boolean {
  return body.kind === 'event-stream-ended' && body.to === null && body.of_stream === stream;
}

/** @param recorded in the order of the host's record */
export function gapsOf(recorded: Iterable<RecordedGap>, facts: HostFacts, clock: CorrectedClock): Gap[] {
  const gaps: Gap[] = [];
  for (const { gap, heardAgain } of recorded) {
    const event = gap.event as EventOf<'GapDetected'>;
    const { body } = event;
    gaps.push({
      event,
      stream: body.of_stream,
      kind: body.kind,
      fromUs: body.from,
      toUs: heardAgain?.event.at ?? body.to,
      hidesFromUs: body.from === null ? null : clock.earliest(body.from),
      hidesUntilUs: heardAgain === null ? body.to && clock.latest(body.to) : heardAgain.time - 1,
      lost: body.lost,
      text: body.detail,
    });
  }
  const lost = facts.auditLost;
  if (lost !== null && lost.count > 0) {
    gaps.push({
      event: null,
      stream: 'audit',
      kind: 'audit-lost',
      fromUs: lost.sinceUs,
      toUs: lost.untilUs,
      hidesFromUs: null,
      hidesUntilUs: null,
      lost: lost.count,
      text:
        lost.sinceUs === null
          ? `the kernel lost ${lost.count} audit records since boot; when is not known`
          : `the kernel lost ${lost.count} audit records while this was recorded`,
    });
  }
  return gaps;
}
