import type { GuestRef, RelabelReport, TimelineEntry } from '../domain/report.js';
import type { MissingEvidence, Reason } from '../domain/verdict.js';
import type { Event, EventOf } from '../events/event.js';
import { guestsNamedBy } from './family.js';
import { effectOf, isByLibvirt, type Judgement } from './judge.js';
import { statedBy } from './relabel-report.js';
import type { GuestRemains } from './remains.js';
import { eventText, witnessLines } from './timeline.js';

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

const OF_OWNERS: ReadonlySet<Reason> = new Set<Reason>(['owner-relabel', 'no-running-guest']);

/**
 * What was let go may be what is missing. It may also be what would forbid to accuse: a source that had died before the
 * call, where no source is on record, or that the guest had given the file back before a program took it. And it may be
 * another life of the guest, which nothing orders against this one.
 */
export function asExpired(
  judgement: Judgement,
  remains: ReadonlySet<GuestRemains>,
  isLocked: boolean,
): Judgement {
  const { verdict, reason, call } = judgement;
  if (UNRELATED.has(reason)) return judgement;
  const mayBeDetached = () => !isByLibvirt(call.event.body) && [...remains].some(({ gaveBack }) => gaveBack);
  const mayBeRivalled = () =>
    OF_OWNERS.has(reason) &&
    !isLocked &&
    [...remains].some(({ ownedOn }) => ownedOn.some((host) => host !== call.event.host));
  if (verdict === 'clean' && !mayBeRivalled()) return judgement;
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

/**
 * What names a guest and comes after everything that it could be judged with has been let go; null where a timeline does
 * not show it.
 */
export function expiredEntry(
  event: Exclude<Event, { kind: 'RelabelObserved' }>,
  guest: GuestRef,
): TimelineEntry | null {
  const text = eventText(event);
  if (text === null) return null;
  return {
    at_us: event.at,
    host: event.host,
    guest,
    kind: event.kind,
    text: `${text}; UNDETERMINED: this came after the events of that time had been let go`,
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
