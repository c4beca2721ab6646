import { coversAny, type HostRecord } from './host-record.js';
import type { GuestRecord, HandOver, Incarnation } from './incarnations.js';

/** How a host stood to a guest at one position, by its own record. */
export type LocalState =
  | { state: 'owner'; incarnation: Incarnation; returned: boolean }
  /** the guest was being booted or restored here */
  | { state: 'starting'; incarnation: Incarnation }
  /** being received; `sure` when it provably had not yet resumed here */
  | { state: 'incoming'; incarnation: Incarnation; sure: boolean }
  | { state: 'handing-over'; incarnation: Incarnation; handOver: HandOver }
  | { state: 'absent'; last: Incarnation | null; next: Incarnation | null }
  /** the host's record never speaks of the guest */
  | { state: 'silent' };

/** Streams that show vCPUs stop and run; either is enough. */
export const LIFECYCLE_STREAMS = ['virsh-event', 'qemu-monitor-event'] as const;
/** Streams that show QEMU start and end; either is enough. */
export const START_STOP_STREAMS = ['audit', 'virsh-event'] as const;

/** libvirt restores labels right before it writes op=stop. */
export const RESTORE_BEFORE_STOP_US = 5_000_000;

/** @param byLibvirt the call at this position is the daemon's: it cleans up right around a start's or stop's record */
export function localState(
  own: GuestRecord | undefined,
  record: HostRecord,
  position: number,
  byLibvirt: boolean,
): LocalState {
  if (!own || (own.incarnations.length === 0 && own.listedOff === null)) return { state: 'silent' };
  const incarnation = own.incarnations.findLast(
    (candidate) => candidate.opened < position && (candidate.ended === null || position < candidate.ended),
  );
  if (!incarnation) {
    return {
      state: 'absent',
      last: own.incarnations.findLast((each) => each.ended !== null && each.ended <= position) ?? null,
      next: own.incarnations.find((each) => each.opened >= position) ?? null,
    };
  }
  const handOver = incarnation.handOvers.findLast(
    (each) => handOverBegin(incarnation, each, record, byLibvirt) <= position,
  );
  if (handOver && (handOver.to === null || position < handOver.to || handOver.result !== 'resumed')) {
    return { state: 'handing-over', incarnation, handOver };
  }
  if (incarnation.owns !== null && incarnation.owns <= position) {
    return { state: 'owner', incarnation, returned: handOver?.result === 'resumed' };
  }
  if (incarnation.kind === 'booted') return { state: 'starting', incarnation };
  const sure = incarnation.kind === 'incoming' && surelyNotResumed(incarnation, record, position);
  return { state: 'incoming', incarnation, sure };
}

/**
 * Where a hand-over begins. When the STOP is in no record (audit log only, or a paused guest) only the end is
 * known; libvirt's own restore runs between `shutting down` and op=stop, so it belongs to the hand-over.
 */
function handOverBegin(incarnation: Incarnation, handOver: HandOver, record: HostRecord, byLibvirt: boolean): number {
  if (!byLibvirt || handOver.from !== handOver.to) return handOver.from;
  if (incarnation.shuttingDown) return incarnation.shuttingDown.at;
  const end = record.times[handOver.from] as number;
  let begin = handOver.from;
  while (begin > 0 && end - (record.times[begin - 1] as number) <= RESTORE_BEFORE_STOP_US) begin--;
  return incarnation.lastSeen < handOver.from ? Math.max(begin, incarnation.lastSeen) : begin;
}

/** The host had not resumed the guest by then: proved by its own record, not merely unseen. */
function surelyNotResumed(incarnation: Incarnation, record: HostRecord, position: number): boolean {
  if (incarnation.started === null || position <= incarnation.started) return true;
  if (incarnation.startFailed) return true;
  if (incarnation.owns !== null) {
    // a later sign that it had taken over means that the streams have a hole where it did
    return incarnation.tookOverAt === 'exactly' && position < incarnation.owns;
  }
  return coversAny(record, LIFECYCLE_STREAMS, incarnation.started, position);
}
