import { isTimeUs } from '../domain/time.js';
import type { EventOf, Stream, StreamWatermark } from '../events/event.js';
import { type CollectorPlace, gapDetected, heartbeat } from './collector-event.js';
import type { ClockState } from './host/clock-state.js';
import type { Source } from './source.js';

/** What a collector says of itself: how far it has told everything, and what it cannot know. */

/** Its name among the checkpoints of the sources. */
export const COLLECTOR = 'collector';

/** Of several sources of one stream the last one counts; a stream of which one source does not know is not named. */
export function watermarks(sources: readonly Source[]): StreamWatermark[] {
  const known = new Map<Stream, number | null>();
  for (const source of sources) {
    const at = source.watermark_us();
    const least = known.get(source.stream);
    known.set(source.stream, at === null || least === null ? null : Math.min(at, least ?? at));
  }
  return [...known].flatMap(([stream, at]) => (at === null ? [] : [{ stream, at }]));
}

export function heartbeatOf(
  place: CollectorPlace,
  streams: StreamWatermark[],
  clock: ClockState | null,
): EventOf<'Heartbeat'> {
  return heartbeat(place, {
    streams,
    clock_offset_us: clock?.offset_us ?? null,
    clock_uncertainty_us: clock?.uncertainty_us ?? null,
  });
}

/** The hole that the time since the last heartbeat left in what cannot be read afterwards. */
export function downGap(
  place: CollectorPlace,
  stream: Stream,
  last: readonly StreamWatermark[],
): EventOf<'GapDetected'> {
  const from = last.find((each) => each.stream === stream)?.at ?? null;
  return gapDetected(place, {
    kind: 'collector-down',
    of_stream: stream,
    from,
    to: place.at_us,
    lost: null,
    serial_from: null,
    serial_to: null,
    detail: from === null ? 'nobody listened before' : 'nobody listened meanwhile',
  });
}

export function watermarksToCheckpoint(streams: readonly StreamWatermark[]): Buffer {
  return Buffer.from(JSON.stringify({ streams }));
}

/** Nothing is known when the checkpoint is not one of ours. */
export function watermarksFromCheckpoint(checkpoint: Buffer | null): StreamWatermark[] {
  if (checkpoint === null) return [];
  try {
    const { streams } = JSON.parse(checkpoint.toString()) as { streams: StreamWatermark[] };
    return streams.filter(({ stream, at }) => typeof stream === 'string' && isTimeUs(at));
  } catch {
    return [];
  }
}
