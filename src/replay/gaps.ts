import { type ByteText, bytesOf } from '../domain/byte-text.js';
import type { EventOf, GapDetected, Stream } from '../events/event.js';
import { contentEventId } from '../events/identity.js';
import type { RejectedStretch } from './rejected-lines.js';

/** Holes that only the one who reads the files can see, as events like any other. */
export interface GapPlace {
  cluster: string;
  host: string;
  at_us: number;
}

/** A file of the stream could not be read, so any of its records may be missing, at any time. */
export function unreadableGap(place: GapPlace, stream: Stream, detail: ByteText): EventOf<'GapDetected'> {
  return gap(place, { ...NOTHING_KNOWN, kind: 'file-unreadable', of_stream: stream, detail });
}

/** Lines stood there that no reader understood. */
export function rejectedGap(place: GapPlace, stretch: RejectedStretch): EventOf<'GapDetected'> {
  return gap(place, {
    ...NOTHING_KNOWN,
    kind: 'rejected-lines',
    of_stream: stretch.stream,
    from: stretch.from_us,
    to: stretch.to_us,
    lost: stretch.lines,
    detail: `${stretch.lines} line${stretch.lines === 1 ? '' : 's'} could not be read`,
  });
}

const NOTHING_KNOWN = { from: null, to: null, lost: null, serial_from: null, serial_to: null };

function gap({ cluster, host, at_us }: GapPlace, body: GapDetected): EventOf<'GapDetected'> {
  const content = JSON.stringify([body.kind, body.of_stream, body.from, body.to, body.lost]);
  return {
    kind: 'GapDetected',
    cluster,
    host,
    boot: null,
    stream: 'collector',
    sequence: 0,
    at: at_us,
    id: contentEventId(host, null, 'collector', at_us, bytesOf(content), 0),
    witness: Buffer.alloc(0),
    body,
  };
}
