import { covers, coversAny, type HostRecord } from './host-record.js';
import { BEFORE, type GuestRecord, type HandOver, type Incarnation } from './incarnation.js';
import { LIFECYCLE_STREAMS, START_STOP_STREAMS } from './streams.js';

/**
 * How a host stood to a guest at one position, by its own record. `sure` is false where a hole in the record could
 * hide that it stood otherwise.
 */
export type LocalState =
  /** `watched`: the host keeps a stream that would show the guest leaving */
  | { state: 'owner'; incarnation: Incarnation; returned: boolean; sure: boolean; watched: boolean }
  /** the guest was being booted or restored here */
  | { state: 'starting'; incarnation: Incarnation; sure: boolean }
  /** being received, and not yet resumed here */
  | { state: 'incoming'; incarnation: Incarnation; sure: boolean }
  | { state: 'handing-over'; incarnation: Incarnation; handOver: HandOver; sure: boolean }
  | { state: 'absent'; last: Incarnation | null; next: Incarnation | null; sure: boolean }
  /** the host's record never speaks of the guest */
  | { state: 'silent'; sure: boolean };

/** libvirt restores labels right before it writes op=stop. */
export const RESTORE_BEFORE_STOP_US = 5_000_000;

/** @param byLibvirt the call at this position is the daemon's: it cleans up right around a start's or stop's record */
export function localState(
  own: GuestRecord | undefined,
  record: HostRecord,
  position: number,
  byLibvirt: boolean,
): LocalState {
  const incarnations = own?.incarnations ?? [];
  if (incarnations.length === 0 && (own?.listedOff ?? null) === null) {
    return { state: 'silent', sure: coversAny(record, START_STOP_STREAMS, BEFORE, record.events.length) };
  }
  const incarnation = incarnations.findLast(
    (candidate) => candidate.opened < position && (candidate.ended === null || position < candidate.ended),
  );
  if (!incarnation) {
    const last = incarnations.findLast((each) => each.ended !== null && each.ended <= position) ?? null;
    const next = incarnations.find((each) => each.opened >= position) ?? null;
    return {
      state: 'absent',
      last,
      next,
      sure: coversAny(record, START_STOP_STREAMS, last?.ended ?? BEFORE, position),
    };
  }
  const handOver = incarnation.handOvers.findLast(
    (each) => handOverBegin(incarnation, each, record, byLibvirt) <= position,
  );
  if (handOver && (handOver.to === null || position < handOver.to || handOver.result !== 'resumed')) {
    return {
      state: 'handing-over',
      incarnation,
      handOver,
      sure: stillHandingOver(handOver, record, position, byLibvirt),
    };
  }
  if (incarnation.owns !== null && incarnation.owns <= position) {
    const returned = handOver?.result === 'resumed';
    const watched = isWatched(record);
    return {
      state: 'owner',
      incarnation,
      returned,
      sure: surelyOwned(incarnation, record, position),
      watched,
    };
  }
  const oneAttempt = isOneAttempt(incarnation, record, position);
  if (incarnation.kind === 'booted') return { state: 'starting', incarnation, sure: oneAttempt };
  const sure = oneAttempt && incarnation.kind === 'incoming' && notYetResumed(incarnation, record, position);
  return { state: 'incoming', incarnation, sure };
}

/**
 * Where a hand-over begins. When the STOP is in no record (audit log only, or a paused guest) only the end is
 * known; libvirt's own restore runs between `shutting down` and op=stop, so it belongs to the hand-over.
 */
function handOverBegin(
  incarnation: Incarnation,
  handOver: HandOver,
  record: HostRecord,
  byLibvirt: boolean,
): number {
  if (!byLibvirt || handOver.from !== handOver.to) return handOver.from;
  if (incarnation.shuttingDown) return incarnation.shuttingDown.at;
  const end = record.times[handOver.from] as number;
  let begin = handOver.from;
  while (begin > 0 && end - (record.times[begin - 1] as number) <= RESTORE_BEFORE_STOP_US) begin--;
  return incarnation.lastSeen < handOver.from ? Math.max(begin, incarnation.lastSeen) : begin;
}

/** virsh stamps what QEMU has done when it hears of it, milliseconds later; this is several times the worst seen. */
const STAMPED_LATE_US = 100_000;

/** The guest may have been stopped for hand-over by then, although its stop is written a moment later. */
export function mayBeStopped(incarnation: Incarnation, record: HostRecord, position: number): boolean {
  const next = incarnation.handOvers.find((each) => each.from > position);
  if (!next || next.from === next.to || next.result === 'resumed') return false;
  return (record.times[next.from] as number) - (record.times[position] as number) <= STAMPED_LATE_US;
}

/** The label and the start on record belong together: a start that failed shows in the audit log alone. */
function isOneAttempt(incarnation: Incarnation, record: HostRecord, position: number): boolean {
  const { opened, started } = incarnation;
  return opened === started || covers(record, 'audit', opened, started ?? position);
}

/** The host had not resumed the guest by then: proved by its own record, not merely unseen. */
function notYetResumed(incarnation: Incarnation, record: HostRecord, position: number): boolean {
  if (incarnation.started === null || position <= incarnation.started) return true;
  if (incarnation.startFailed) return true;
  if (incarnation.owns !== null && (incarnation.tookOverAt === 'before' || position > incarnation.owns))
    return false;
  // a guest that is handed over paused resumes nowhere: virsh alone says that it has arrived
  const { started, copyEnded } = incarnation;
  if (copyEnded !== null && copyEnded < position && !covers(record, 'virsh-event', started, position))
    return false;
  return coversAny(record, LIFECYCLE_STREAMS, started, position);
}

/** Reasons for an end that only the owner's QEMU can have: others can end what had been handed over or never ran. */
const ENDS_OF_OWNERS: ReadonlySet<string> = new Set(['shutdown', 'saved']);

/**
 * Between the last sign of ownership before the position and the next one after it nothing is missing that could
 * hide the guest leaving; or what is missing could hide no more than a hand-over that failed.
 */
function surelyOwned(incarnation: Incarnation, record: HostRecord, position: number): boolean {
  if (incarnation.ownsEarlier && position < (incarnation.owns ?? BEFORE)) return false;
  const since = incarnation.signs.findLast((sign) => sign <= position) ?? incarnation.owns ?? BEFORE;
  const next = incarnation.signs.find((sign) => sign > position) ?? null;
  const present = coversAny(record, START_STOP_STREAMS, since, position);
  const until =
    next ??
    (ENDS_OF_OWNERS.has(incarnation.endReason ?? '') && !incarnation.endUnseen ? incarnation.ended : null);
  if (until !== null) {
    // one process from one sign to the next: a hand-over in between came to nothing
    if (coversAny(record, START_STOP_STREAMS, since, until)) return true;
    const undisturbed =
      coversAny(record, START_STOP_STREAMS, position, until) &&
      coversAny(record, LIFECYCLE_STREAMS, position, until);
    if (undisturbed) return true;
  }
  if (!isWatched(record)) return present;
  return present && coversAny(record, LIFECYCLE_STREAMS, since, position);
}

function isWatched(record: HostRecord): boolean {
  return LIFECYCLE_STREAMS.some((stream) => record.streams.has(stream));
}

/** The source had not resumed the guest after all; right before op=stop reason=migrated it certainly had not. */
function stillHandingOver(
  handOver: HandOver,
  record: HostRecord,
  position: number,
  byLibvirt: boolean,
): boolean {
  // one process from the stop to the sign that it runs again, or the one that runs may have come back from elsewhere
  if (handOver.result === 'resumed') {
    return handOver.to !== null && coversAny(record, START_STOP_STREAMS, handOver.from, handOver.to);
  }
  if (handOver.result === 'ended' && byLibvirt && handOver.to !== null) {
    if ((record.times[handOver.to] as number) - (record.times[position] as number) <= RESTORE_BEFORE_STOP_US)
      return true;
  }
  return (
    coversAny(record, LIFECYCLE_STREAMS, handOver.from, position) &&
    coversAny(record, START_STOP_STREAMS, handOver.from, position)
  );
}
