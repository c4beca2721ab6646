import type { GapDetected, Stream } from '../../events/event.js';

/**
 * What virsh prints when its event loop is over (virsh-domain-event.c, cmdEvent). From there on events happen
 * unseen, until the next virsh; nothing is ever replayed.
 */
const TRAILER = /^(?:events received: \d+|event loop interrupted|event loop timed out)$/;

export function isStreamTrailer(text: string): boolean {
  return TRAILER.test(text);
}

/** @param lastAt µs of the last event before the trailer */
export function streamEnded(stream: Stream, lastAt: number, trailer: string): GapDetected {
  return {
    kind: 'event-stream-ended',
    of_stream: stream,
    from: lastAt,
    to: null,
    lost: null,
    serial_from: null,
    serial_to: null,
    detail: trailer,
  };
}
