import type { ByteText } from '../domain/byte-text.js';
import type { EventOf, Stream } from '../events/event.js';
import { type CollectorPlace, gapDetected } from './collector-event.js';
import type { RejectedStretch } from './rejected-lines.js';

/** Holes that only the one who reads the files can see, as events like any other. */

/** A file of the stream could not be read, so any of its records may be missing, at any time. */
export function unreadableGap(
  place: CollectorPlace,
  stream: Stream,
  detail: ByteText,
): EventOf<'GapDetected'> {
  return gapDetected(place, { ...NOTHING_KNOWN, kind: 'file-unreadable', of_stream: stream, detail });
}

/** Lines stood there that no reader understood. */
export function rejectedGap(place: CollectorPlace, stretch: RejectedStretch): EventOf<'GapDetected'> {
  return gapDetected(place, {
    ...NOTHING_KNOWN,
    kind: 'rejected-lines',
    of_stream: stretch.stream,
    from: stretch.from_us,
    to: stretch.to_us,
    lost: stretch.lines,
    detail: `${stretch.lines} line${stretch.lines === 1 ? '' : 's'} could not be read`,
  });
}

/** Reading began here, and what the logs of the stream said before was not read. */
export function notReadBeforeGap(place: CollectorPlace, stream: Stream): EventOf<'GapDetected'> {
  return gapDetected(place, {
    ...NOTHING_KNOWN,
    kind: 'collector-down',
    of_stream: stream,
    to: place.at_us,
    detail: 'what was logged before was not read',
  });
}

const NOTHING_KNOWN = { from: null, to: null, lost: null, serial_from: null, serial_to: null };
