import type { Event } from './event.js';

/**
 * What schema resolution cannot know about older events. Resolution has already given the event today's shape, with
 * `null` for what its writer did not have; an upcaster fills in what can be told from the rest of the event.
 */
export interface Upcaster {
  /** fingerprint of the last release that lacked it */
  from: string;
  up(event: Event): Event;
}

/** In order of release. An event passes through the upcaster of its own release and of every later one. */
export const UPCASTERS: readonly Upcaster[] = [{ from: 'f5a1127326c1029d', up: serialsFromDetail }];

/** `serials 812-830 are missing`: release 1 named the missing serials in the text alone. */
const MISSING_SERIALS = /^serials (\d{1,10})-(\d{1,10}) are missing$/;

function serialsFromDetail(event: Event): Event {
  if (event.kind !== 'GapDetected' || event.body.kind !== 'audit-serial-gap') return event;
  const match = MISSING_SERIALS.exec(event.body.detail);
  if (match === null) return event;
  return { ...event, body: { ...event.body, serial_from: Number(match[1]), serial_to: Number(match[2]) } };
}
