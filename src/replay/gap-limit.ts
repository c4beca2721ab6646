import { getOrMake } from '../domain/group.js';
import type { Event, EventOf, GapDetected } from '../events/event.js';
import { contentEventId } from '../events/identity.js';

/** So many gaps of one kind, stream and host are told one by one; a log with more of them is damaged throughout. */
const GAPS_MAX = 1000;

/** The lines around a gap illustrate it; all of them would be the log again. */
const WITNESS_BYTES_MAX = 16 << 10;

interface Kind {
  /** ids of the gaps told one by one: reading a file twice must not fill the list */
  told: Set<string>;
  /** what all further gaps come to */
  rest: EventOf<'GapDetected'> | null;
}

/** Keeps the gaps of an endlessly damaged log to a number that memory and readers can bear, and hides none. */
export class GapLimit {
  private readonly kinds = new Map<string, Kind>();

  /** The gap to go on with; null when it went into the one that stands for all further ones. */
  admit(gap: EventOf<'GapDetected'>): EventOf<'GapDetected'> | null {
    const key = `${gap.host}\n${gap.body.of_stream}\n${gap.body.kind}`;
    const kind = getOrMake(this.kinds, key, () => ({ told: new Set<string>(), rest: null }));
    if (kind.told.size < GAPS_MAX || kind.told.has(gap.id)) {
      kind.told.add(gap.id);
      return { ...gap, witness: gap.witness.subarray(0, WITNESS_BYTES_MAX) };
    }
    kind.rest = kind.rest === null ? first(gap) : joined(kind.rest, gap.body);
    return null;
  }

  /** Where there were too many: one gap from the first of the rest to the end of the last, with what they lost in all. */
  *rests(): Iterable<Event> {
    for (const { rest } of this.kinds.values()) {
      if (rest === null) continue;
      const { host, boot, stream, at, body } = rest;
      const content = Buffer.from(JSON.stringify([body.kind, body.of_stream, body.from, body.to]));
      yield { ...rest, id: contentEventId(host, boot, stream, at, content, 0) };
    }
  }
}

function first(gap: EventOf<'GapDetected'>): EventOf<'GapDetected'> {
  const detail = `beyond ${GAPS_MAX} such gaps, all further ones as one: ${gap.body.detail}`;
  return { ...gap, witness: Buffer.alloc(0), body: { ...gap.body, detail } };
}

function joined(rest: EventOf<'GapDetected'>, next: GapDetected): EventOf<'GapDetected'> {
  const { body } = rest;
  return {
    ...rest,
    body: {
      ...body,
      from: body.from === null || next.from === null ? null : Math.min(body.from, next.from),
      to: body.to === null || next.to === null ? null : Math.max(body.to, next.to),
      lost: body.lost === null ? next.lost : body.lost + (next.lost ?? 0),
      // serials start anew with every boot, so their bounds say nothing about so long a time
      serial_from: null,
      serial_to: null,
    },
  };
}
