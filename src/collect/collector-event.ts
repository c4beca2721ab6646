import { bytesOf } from '../domain/byte-text.js';
import type { EventBodies, EventOf, GapDetected, Heartbeat } from '../events/event.js';
import { contentEventId } from '../events/identity.js';

/** What a collector states of its own knowledge: which streams it read, and the holes that only it can see. */

/** The host that a statement is about, and when it was made. */
export interface CollectorPlace {
  cluster: string;
  host: string;
  /** µs since the epoch */
  at_us: number;
}

/** Two gaps of one kind, stream, time and number are one gap, however it is put into words. */
export function gapDetected(place: CollectorPlace, body: GapDetected): EventOf<'GapDetected'> {
  const { kind, of_stream, from, to, lost } = body;
  return collectorEvent('GapDetected', place, body, JSON.stringify([kind, of_stream, from, to, lost]));
}

/** Two heartbeats of one moment that name the same streams are one. */
export function heartbeat(place: CollectorPlace, body: Heartbeat): EventOf<'Heartbeat'> {
  return collectorEvent('Heartbeat', place, body, body.streams.map(({ stream }) => stream).join(' '));
}

/** @param content what the statement is recognised by, beside its host and moment */
function collectorEvent<K extends 'GapDetected' | 'Heartbeat'>(
  kind: K,
  { cluster, host, at_us }: CollectorPlace,
  body: EventBodies[K],
  content: string,
): EventOf<K> {
  const event = {
    kind,
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
  return event as EventOf<K>;
}
