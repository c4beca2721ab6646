import type { Event, Stream } from '../events/event.js';
import { CLOCK_STEP_US, type CorrectedClock, type CorrectedStream } from './clock-steps.js';
import { type Entry, lowerBound } from './entry.js';
import { bySequence, bySerial, comparatorOf, orderStream, serialOf } from './stream-order.js';

/** Written when somebody looked, not in a stream of their own: their stamps are taken as they are. */
const SNAPSHOT_STREAMS: ReadonlySet<Stream> = new Set<Stream>(['collector', 'host-facts']);

/** What the next event of a stream is laid against. */
type Tail = Pick<CorrectedStream, 'offset_us' | 'latest_us'>;

/**
 * One stream of one host, in order. An event that comes in order, or late by a little, is put into its place at a cost
 * that does not depend on what is there. Where its place, or that of others, cannot be told so, `place` says no, and
 * the whole host has to be put in order again (`HostLog`), which is the meaning of order: `place` never differs.
 */
export class StreamLog {
  readonly stream: Stream;
  entries: Entry[] = [];
  private tail: Tail = { offset_us: 0, latest_us: Number.NEGATIVE_INFINITY };
  /** audit only: is the order that of serials within boots, and which boots those are, with their first stamps */
  private boots: Map<string | null, number> | null = new Map();
  private hasRest = false;

  constructor(stream: Stream) {
    this.stream = stream;
  }

  get isSnapshot(): boolean {
    return SNAPSHOT_STREAMS.has(this.stream);
  }

  /** Of a stream in the order of its sequence: the first event after this place that is no gap. */
  firstAfter(sequence: number): Entry | null {
    const { entries } = this;
    let index = lowerBound(entries, ({ event }) => event.sequence <= sequence);
    while (entries[index]?.event.kind === 'GapDetected') index++;
    return entries[index] ?? null;
  }

  /** Puts all in order anew; their times are still to be given. */
  reorder(added: readonly Entry[]): void {
    const all = [...this.entries, ...added];
    this.entries = this.isSnapshot ? all.sort(bySnapshot) : orderStream(this.stream, all);
    for (const [index, entry] of this.entries.entries()) entry.order = index;
    if (this.stream === 'audit') this.learnBoots();
  }

  /** After `reorder`: where the events stand on the host's scale. */
  timed({ times, offset_us, latest_us }: CorrectedStream): void {
    for (const [index, entry] of this.entries.entries()) entry.time = times[index] as number;
    this.tail = { offset_us, latest_us };
  }

  /**
   * @param clock the host's, by what was there before
   * @returns false when nothing was changed and the host has to be put in order again
   */
  place(entry: Entry, clock: CorrectedClock): boolean {
    const { event } = entry;
    const { isSteady } = clock;
    if (this.isSnapshot) {
      if (clock.showedTwice(event.at)) return false;
      entry.time = clock.latest(event.at);
      this.insert(
        entry,
        lowerBound(this.entries, (each) => bySnapshot(each, entry) < 0),
      );
      return true;
    }
    const index = this.stream === 'audit' ? this.auditIndex(event, isSteady) : this.indexOf(event);
    if (index === null) return false;
    const isLast = index === this.entries.length;
    if (!isSteady) return isLast && this.appendCorrected(entry);
    const before = this.entries[index - 1]?.time ?? Number.NEGATIVE_INFINITY;
    const after = this.entries[index]?.time ?? Number.POSITIVE_INFINITY;
    if (before - event.at > CLOCK_STEP_US || event.at > after) return false;
    entry.time = Math.max(before, event.at);
    this.tail.latest_us = Math.max(this.tail.latest_us, event.at);
    this.insert(entry, index);
    return true;
  }

  /** A clock that was set is behind this stream, and this event shows no other step. */
  private appendCorrected(entry: Entry): boolean {
    const { offset_us, latest_us } = this.tail;
    const { at } = entry.event;
    if (offset_us === null || this.entries.length === 0 || latest_us - at > CLOCK_STEP_US) return false;
    entry.time = Math.max(this.entries.at(-1)?.time ?? Number.NEGATIVE_INFINITY, at + offset_us);
    this.tail.latest_us = Math.max(latest_us, at);
    this.insert(entry, this.entries.length);
    return true;
  }

  private insert(entry: Entry, index: number): void {
    const before = this.entries[index - 1];
    const after = this.entries[index];
    if (after === undefined) {
      entry.order = (before?.order ?? -1) + 1;
      this.entries.push(entry);
    } else {
      entry.order = ((before?.order ?? after.order - 2) + after.order) / 2;
      this.entries.splice(index, 0, entry);
      // halved too often: whole numbers again, which moves nothing
      if (entry.order === after.order || entry.order === before?.order) {
        for (const [place, each] of this.entries.entries()) each.order = place;
      }
    }
    if (this.stream === 'audit' && serialOf(entry.event) < 0) this.hasRest = true;
  }

  private indexOf(event: Event): number {
    const compare = comparatorOf(this.stream);
    const last = this.entries.at(-1);
    if (last === undefined || compare(last.event, event) < 0) return this.entries.length;
    return lowerBound(this.entries, (each) => compare(each.event, event) < 0);
  }

  private auditIndex(event: Event, isSteady: boolean): number | null {
    if (this.boots === null) return null;
    if (serialOf(event) < 0) return isSteady ? this.indexOfRest(event) : null;
    const isKnown = !this.boots.has(null);
    if (this.boots.size > 0 && isKnown !== (event.boot !== null)) return null;
    const began = this.boots.get(event.boot);
    const isLastBoot = [...this.boots.keys()].at(-1) === event.boot;
    if (began === undefined) {
      // a new boot comes last, or the boots have to be put in order
      if (isKnown && [...this.boots.values()].some((other) => other >= event.at)) return null;
      if (this.hasRest && !isAtEnd(this.entries, event)) return null;
      this.boots.set(event.boot, event.at);
      return this.entries.length;
    }
    if (event.at < began && this.boots.size > 1) return null;
    const index = this.serialIndex(event, isLastBoot);
    if (index === null) return null;
    if (event.at < began) this.boots.set(event.boot, event.at);
    return index;
  }

  private serialIndex(event: Event, isLastBoot: boolean): number | null {
    const { entries } = this;
    const last = entries.at(-1);
    if (last === undefined) return 0;
    const isLast = isLastBoot && last.event.boot === event.boot && bySerial(last.event, event) < 0;
    if (isLast && serialOf(last.event) >= 0) {
      return event.boot === null && last.event.at - event.at > CLOCK_STEP_US ? null : entries.length;
    }
    if (this.hasRest || (this.boots?.size ?? 0) > 1) return this.serialIndexAmongOthers(event);
    const index = lowerBound(entries, (each) => bySerial(each.event, event) < 0);
    return this.isBreak(event, entries[index - 1], entries[index]) ? null : index;
  }

  /** Searched from the end, over what has no serial. */
  private serialIndexAmongOthers(event: Event): number | null {
    const { entries } = this;
    let index = entries.length;
    let after: Entry | undefined;
    for (; index > 0; index--) {
      const each = entries[index - 1] as Entry;
      if (serialOf(each.event) < 0) continue;
      if (each.event.boot === event.boot && bySerial(each.event, event) < 0) break;
      if (event.boot !== null && each.event.boot !== event.boot && after?.event.boot === event.boot) break;
      after = each;
    }
    if (this.isBreak(event, entries[index - 1], after)) return null;
    // what has no serial stands before the first event that has a later stamp
    if (this.hasRest && after !== undefined && event.at > after.event.at) return null;
    while (
      index < entries.length &&
      entries[index] !== after &&
      (entries[index] as Entry).event.at < event.at
    )
      index++;
    return index;
  }

  private isBreak(event: Event, before: Entry | undefined, after: Entry | undefined): boolean {
    if (event.boot !== null) return false;
    const isBack = (a: Event | undefined, b: Event | undefined) =>
      a !== undefined && b !== undefined && a.at - b.at > CLOCK_STEP_US;
    return isBack(before?.event, event) || isBack(event, after?.event);
  }

  private indexOfRest(event: Event): number {
    const { entries } = this;
    let index = lowerBound(entries, (each) => each.time <= event.at);
    for (let each = entries[index - 1]; each !== undefined; each = entries[index - 1]) {
      if (serialOf(each.event) >= 0 || each.event.at !== event.at || each.event.id < event.id) break;
      index--;
    }
    return index;
  }

  private learnBoots(): void {
    const boots = new Map<string | null, number>();
    this.hasRest = false;
    let isOrdered = true;
    let before: Event | null = null;
    for (const { event } of this.entries) {
      if (serialOf(event) < 0) {
        this.hasRest = true;
        continue;
      }
      boots.set(event.boot, Math.min(boots.get(event.boot) ?? Number.POSITIVE_INFINITY, event.at));
      if (before !== null && event.boot === null && before.at - event.at > CLOCK_STEP_US) isOrdered = false;
      if (before !== null && before.boot === event.boot && bySerial(before, event) > 0) isOrdered = false;
      before = event;
    }
    // logs that do not name boots and show a break are read anew each time
    this.boots = isOrdered && (!boots.has(null) || boots.size === 1) ? boots : null;
  }
}

function isAtEnd(entries: readonly Entry[], event: Event): boolean {
  return (entries.at(-1)?.event.at ?? Number.NEGATIVE_INFINITY) < event.at;
}

/** Snapshots are read in the order of their stamps, and those of one moment in the order of writing. */
function bySnapshot(a: Entry, b: Entry): number {
  return a.event.at - b.event.at || bySequence(a.event, b.event);
}
