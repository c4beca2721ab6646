import type { Event } from '../events/event.js';
import type { GuestNames } from './guest-names.js';
import type { HostRecord } from './host-record.js';
import type { GuestRecord } from './incarnation.js';
import { IncarnationReader } from './incarnation-reader.js';

/** @param positions of the events that name the guest or concern the daemon, ascending */
export function readGuestRecord(
  guest: string,
  record: HostRecord,
  positions: readonly number[],
  names: GuestNames,
): GuestRecord {
  if (positions.length === 0) return { host: record.host, incarnations: [], listedOff: null, definedAt: [] };
  const reader = new IncarnationReader(guest, record);
  let listedOff: number | null = null;
  const definedAt: number[] = [];
  for (const position of positions) {
    const event = record.events[position] as Event;
    if (
      event.kind === 'LifecycleChanged' &&
      event.body.event === 'Defined' &&
      event.body.detail === 'Added'
    ) {
      definedAt.push(position);
    }
    if (event.kind !== 'GuestsListed') {
      reader.read(event, position);
      continue;
    }
    const listed = event.body.guests.find((each) => names.key(record.host, position, each.guest) === guest);
    // a list of all guests says of those that it leaves out that the host does not have them
    if (!listed && !event.body.complete) continue;
    reader.listed(listed?.state ?? 'shut off', listed?.reason ?? null, position);
    listedOff = listed?.state === 'running' || listed?.state === 'paused' ? null : position;
  }
  return { host: record.host, incarnations: reader.incarnations, listedOff, definedAt };
}
