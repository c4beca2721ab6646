import { type CollectorPlace, heartbeat } from '../collect/collector-event.js';
import type { EventOf, Stream } from '../events/event.js';

/**
 * Says which streams of a host were read, up to when. A log that is there and holds nothing is evidence that
 * nothing happened; a log that is not there is none.
 */
export function coverage(place: CollectorPlace, streams: readonly Stream[]): EventOf<'Heartbeat'> {
  const read = [...new Set(streams)].sort();
  return heartbeat(place, {
    streams: read.map((stream) => ({ stream, at: place.at_us })),
    clock_offset_us: null,
    clock_uncertainty_us: null,
  });
}
