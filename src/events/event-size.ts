import type { Event } from './event.js';

/** What an event takes in memory beside its witness, measured: its object, its texts and its place in a map. */
const EVENT_BYTES = 1500;

/** What an event takes in memory, about. */
export function sizeOf({ witness }: Event): number {
  return witness.length + EVENT_BYTES;
}
