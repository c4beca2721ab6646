import type { GuestRef, RelabelReport, TimelineEntry } from '../domain/report.js';
import type { MissingEvidence, Reason } from '../domain/verdict.js';
import type { Event, EventOf } from '../events/event.js';
import { guestsNamedBy } from './family.js';
import { effectOf, isByLibvirt, type Judgement, statedBy } from './judge.js';
import type { GuestRemains } from './remains.js';
import { witnessLines } from './timeline.js';
import { guestText } from './wording.js';

/** What is said where the evidence that would decide was let go because it had long been settled. */

function expiredRecords(): MissingEvidence {
  return {
    what: 'expired-records',
    host: null,
    text: 'the events of this guest that were settled and are not kept in memory any more: replay the stored events of that time',
  };
}

/** What is missing for these no event about the guest would have told. */
const UNRELATED: ReadonlySet<Reason> = new Set<Reason>(['asked-unknown', 'file-unknown', 'storage-unknown']);

/**
 * What was let go may be what is missing. It may also be what would forbid to accuse: a source that had died before the
 * call, where no source is on record, or that the guest had given the file back before a program took it.
 */
export function asExpired(judgement: Judgement, remains: ReadonlySet<GuestRemains>): Judgement {
  const { verdict, reason, call } = judgement;
  if (UNRELATED.has(reason)) return judgement;
  const mayBeDetached = () =>
    !isByLibvirt(call.event.body) && [...remains].some(({ gaveBack }) => gaveBack);
  if (verdict === 'clean') return judgement;
  if (verdict === 'violation' && judgement.ownersAreTraced && !mayBeDetached()) return judgement;
  const missing = [...judgement.missing, expiredRecords()];
  return { ...judgement, verdict: 'undetermined', reason: 'expired', missing };
}

/** A relabel of a file of guests of which nothing is kept that could judge it. */
export function expiredRelabel(event: EventOf<'RelabelObserved'>, guest: GuestRef): RelabelReport {
  const { path, inode } = event.body;
  return {
    ...statedBy(event),
    guest,
    image: { path, storage: null, inode },
    effect: effectOf(event.body),
    owner: null,
    verdict: 'undetermined',
    reason: 'expired',
    proof: [],
    missing: [expiredRecords()],
  };
}

/** What names a guest and comes after everything that it could be judged with has been let go. */
export function expiredEntry(event: Event, guest: GuestRef): TimelineEntry {
  return {
    at_us: event.at,
    host: event.host,
    guest,
    kind: event.kind,
    text: `UNDETERMINED: ${event.kind} of ${guestText(guest)} came after the events of that time had been let go`,
    event: event.id,
    witness: witnessLines(event),
  };
}

export function refOf({ uuids, names }: GuestRemains): GuestRef {
  return { uuid: uuids[0] ?? null, name: names[0] ?? null };
}

/** The guest that an event names, as the event does and the remains can add. */
export function namedBy(event: Event, remains: GuestRemains): GuestRef {
  const [named] = guestsNamedBy(event);
  const known = refOf(remains);
  const isOnly = remains.uuids.length === 1 && remains.names.length <= 1;
  return {
    uuid: named?.uuid ?? (isOnly ? known.uuid : null),
    name: named?.name ?? (isOnly ? known.name : null),
  };
}
