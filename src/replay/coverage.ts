import type { EventOf, Stream } from '../events/event.js';
import { contentEventId } from '../events/identity.js';

/**
 * Says which streams of a host were read, up to when. A log that is there and holds nothing is evidence that
 * nothing happened; a log that is not there is none.
 */
export function coverage(
  place: { cluster: string; host: string; at_us: number },
  streams: readonly Stream[],
): EventOf<'Heartbeat'> {
  const read = [...new Set(streams)].sort();
  return {
    cluster: place.cluster,
    host: place.host,
    boot: null,
    stream: 'collector',
    sequence: 0,
    at: place.at_us,
    id: contentEventId(place.host, null, 'collector', place.at_us, Buffer.from(read.join(' ')), 0),
    witness: Buffer.alloc(0),
    kind: 'Heartbeat',
    body: {
      streams: read.map((stream) => ({ stream, at: place.at_us })),
      clock_offset_us: null,
      clock_uncertainty_us: null,
    },
  };
}
