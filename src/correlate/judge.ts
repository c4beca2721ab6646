import { getOrMake } from '../domain/group.js';
import { formatOwner, parseContext } from '../domain/label.js';
import type { Effect, MissingEvidence, Proof, Reason, Verdict } from '../domain/verdict.js';
import type { RelabelObserved } from '../events/event.js';
import type { GuestCustody } from './custody.js';
import type { Custody } from './custody-answer.js';
import type { GivenLabels } from './given-labels.js';
import { covers, type HostRecord } from './host-record.js';
import type { ImageCall } from './image-call.js';
import type { ImageFile } from './images.js';
import { BEFORE, type Incarnation } from './incarnation.js';
import { type LocalState, RESTORE_BEFORE_STOP_US } from './local-state.js';
import {
  auditRecords,
  fileIdentity,
  guestState,
  imageList,
  labelAsked,
  labelNeeded,
  mounts,
  orderMissing,
} from './missing-evidence.js';
import {
  type Answer,
  asksForOwner,
  asksWhatIsNeeded,
  hostDacLabel,
  type Need,
  needOf,
  type Use,
  useOf,
} from './need.js';
import { isNamedAsAnothers, mayBeAnotherFile, mayBeCopy } from './other-file.js';
import type { StorageMap } from './storage.js';

/** What a call means for one of the guests that use the file. */
export interface Judgement {
  call: ImageCall;
  guest: string;
  verdict: Verdict;
  reason: Reason;
  effect: Effect;
  owner: string | null;
  proof: Proof[];
  missing: MissingEvidence[];
  /** incarnations that owned the guest then, as far as known */
  owners: Incarnation[];
  need: Need | null;
  /** the records lead to them; else they are all that ever owned it elsewhere */
  ownersAreTraced: boolean;
  /** all that may have owned the guest need the same */
  needIsCertain: boolean;
  use: Use;
  local: LocalState | null;
}

export interface JudgeContext {
  records: ReadonlyMap<string, HostRecord>;
  /** every call on the same file, for what came before */
  callsOnFile: (file: ImageFile) => readonly ImageCall[];
  given: GivenLabels;
  storages: StorageMap;
}

/** What a verdict is given on. */
type Known = Omit<Judgement, 'verdict' | 'reason' | 'missing'>;

function clean(known: Known, reason: Reason): Judgement {
  return { ...known, verdict: 'clean', reason, missing: [] };
}

function undetermined(known: Known, reason: Reason, ...missing: MissingEvidence[]): Judgement {
  // that this host ran the guest, as others may have done, is no answer to whom the call hurt
  const owner = known.owner === known.call.record.host ? null : known.owner;
  return { ...known, owner, verdict: 'undetermined', reason, missing };
}

/** Programs of libvirt that relabel on behalf of a guest. */
const LIBVIRT_DAEMON = /\/(libvirtd|virtqemud|virtlxcd|virtstoraged)$/;

/** libvirt's reconnect worker, which clears away what it finds dead after a restart of the daemon. */
const RECONNECT_WORKER = /^init-/;

export function isByReconnectWorker({ comm }: RelabelObserved): boolean {
  return RECONNECT_WORKER.test(comm ?? '');
}

export function isByLibvirt(call: RelabelObserved): boolean {
  return call.exe !== null && LIBVIRT_DAEMON.test(call.exe);
}

export function judge(call: ImageCall, custody: GuestCustody, context: JudgeContext): Judgement {
  const { body } = call.event;
  const use = useBy(custody.guest, call.file);
  const at = custodyAt(call, custody, use);
  const owner = ownerNamed(at);
  const base: Known = {
    call,
    guest: custody.guest,
    effect: effectOf(body),
    owner,
    proof: [],
    owners: [],
    ownersAreTraced: false,
    need: null,
    needIsCertain: false,
    use,
    local: null,
  };
  if (body.success === false) return clean(base, 'attempt-failed');
  if (isHostLocal(call)) return clean(base, 'host-local');
  if (!touchesAccess(body)) return clean(base, 'not-a-label');
  if (at.kind === 'this-host' || at.kind === 'nobody') {
    const isOwner = at.kind === 'this-host' && !at.starting;
    if (isOwner && foundInUse(call, at.incarnation, custody, use, context)) {
      return undetermined({ ...base, owners: [at.incarnation] }, 'owner-unknown', guestState(null));
    }
    return clean({ ...base, proof: at.proof }, isOwner ? 'owner-relabel' : 'no-running-guest');
  }

  const owners = at.candidates;
  const answer = answerFor(at, custody, call, use, context);
  const known: Known = {
    ...base,
    proof: at.kind === 'other' ? at.proof : [],
    owners,
    ownersAreTraced: at.kind === 'other' && !at.isGuessed,
    need: answer.need,
    needIsCertain: answer.certain,
    local: at.local,
  };
  if (answer.answer === 'same') return clean(known, 'asked-equals-needed');
  if (contextUnchanged(body)) return clean({ ...known, effect: 'unchanged' }, 'unchanged');
  if (at.kind === 'unknown') {
    return undetermined(known, at.order ? 'order-unknown' : 'owner-unknown', ...at.missing);
  }
  if (body.success === null) {
    const records = auditRecords(call, 'whether the call succeeded: its SYSCALL record');
    return undetermined(known, 'evidence-gap', records);
  }
  if (call.storage?.shared == null) return undetermined(known, 'storage-unknown', mounts(call));
  if (answer.answer === 'unknown') {
    return answer.asked === 'unknown'
      ? undetermined(known, 'asked-unknown', labelAsked(call))
      : undetermined(known, 'need-unknown', labelNeeded(owner));
  }
  // libvirt labels and restores what the guest's present definition names; others take what lies there
  if (!isByLibvirt(body) && wasDropped(call, owners, custody, use, context)) {
    return undetermined(known, 'detached-image', imageList(call));
  }
  if (
    mayBeCopy(call) ||
    isNamedAsAnothers(call, custody.guest, context.storages) ||
    isElsewhere(call, custody, owners, context)
  )
    return undetermined(known, 'file-unknown', fileIdentity(call));
  const already = alreadySo(call, custody.guest, context);
  if (already === 'same') return clean({ ...known, effect: 'unchanged' }, 'already-so');
  if (already === 'unknown') {
    const what =
      'whether the file had this label already: the audit records that are missing, or those from before these';
    return undetermined(known, 'evidence-gap', auditRecords(call, what));
  }
  const { local } = at;
  const isSecond = (local.state === 'owner' || local.state === 'starting') && !local.incarnation.startFailed;
  if (isSecond && isDeniedByOthers(call, local.incarnation, owners, use, context)) {
    return undetermined(known, 'order-unknown', orderMissing());
  }
  return {
    ...known,
    effect: known.effect === 'unchanged' ? 'unknown' : known.effect,
    verdict: 'violation',
    reason: local.state === 'owner' ? 'second-incarnation' : 'non-owner-relabel',
    missing: [],
  };
}

/**
 * The owner was refused its image, and a call that is none of this incarnation's can be why: then nothing shows that
 * the two ran at once.
 */
function isDeniedByOthers(
  call: ImageCall,
  { opened, ended }: Incarnation,
  owners: readonly Incarnation[],
  use: Use,
  context: JudgeContext,
): boolean {
  return context.callsOnFile(call.file).some(({ event: { body }, record, position }) => {
    const isOwn = record === call.record && opened <= position && (ended === null || position <= ended);
    if (isOwn || body.success !== true || (!asksForOwner(body) && body.attribute !== 'security.selinux'))
      return false;
    return owners.some((owner) => {
      const need = needOf(owner, context.records.get(owner.host) as HostRecord);
      return asksWhatIsNeeded(body, need, use) !== 'same';
    });
  });
}

/**
 * A cold start that found the image labelled for a running guest, and gives it back in the end: where nothing keeps
 * two hosts from running one guest, and the others are not known to be without it, one of them may have it open.
 */
function foundInUse(
  call: ImageCall,
  incarnation: Incarnation,
  custody: GuestCustody,
  use: Use,
  context: JudgeContext,
): boolean {
  const { body } = call.event;
  const { opened, started } = incarnation;
  if (custody.lockedStorage || use.readOnly || use.shareable || !isByLibvirt(body) || !asksForOwner(body))
    return false;
  if (incarnation.startReason !== 'booted' || started === null || opened < 0) return false;
  // an earlier run of the guest may have left its label
  if (custody.allIncarnations.some((each) => each !== incarnation && each.owns !== null)) return false;
  if (asksWhatIsNeeded(body, needOf(incarnation, call.record), use) !== 'different') return false;
  const labelled = context
    .callsOnFile(call.file)
    .some(
      ({ record, position, event }) =>
        record === call.record &&
        opened < position &&
        position < started &&
        event.body.success !== false &&
        asksForOwner(event.body),
    );
  return (
    !labelled && covers(call.record, 'audit', opened, started) && !custody.isNowhereElse(call.record.host)
  );
}

/**
 * A file that one guest only reads, or shares, may be an image of another whose images were never listed: what suits
 * the one can take the disk from the other.
 */
export function isDoubtful({
  event: { body },
  storage,
  file,
}: Pick<ImageCall, 'event' | 'storage' | 'file'>): boolean {
  if (body.success !== true || storage?.shared === false) return false;
  if (!asksForOwner(body) && body.attribute !== 'security.selinux') return false;
  const use = useByAll(file);
  return use.readOnly || use.shareable;
}

/** What a doubtful call means for a guest whose images were never listed; null when it harms none of that guest's. */
export function judgeUnlisted(
  call: ImageCall,
  custody: GuestCustody,
  context: JudgeContext,
): Judgement | null {
  const { body } = call.event;
  const use = useByAll(call.file);
  const at = custodyAt(call, custody, use);
  if (at.kind === 'this-host' || at.kind === 'nobody') return null;
  const { answer, need, certain } = answerFor(at, custody, call, use, context);
  if (answer === 'same') return null;
  const known: Known = {
    call,
    guest: custody.guest,
    effect: effectOf(body),
    owner: ownerNamed(at),
    proof: [],
    owners: at.candidates,
    ownersAreTraced: false,
    need,
    needIsCertain: certain,
    use,
    local: at.local,
  };
  return undetermined(known, 'evidence-gap', imageList(call));
}

function custodyAt({ record, position, event }: ImageCall, custody: GuestCustody, use: Use): Custody {
  const byLibvirt = isByLibvirt(event.body);
  return custody.at(record.host, position, byLibvirt, {
    mayRestore: byLibvirt && !use.readOnly,
    clearsAway: byLibvirt && isByReconnectWorker(event.body),
  });
}

const usesByGuest = new WeakMap<ImageFile, Map<string, Use>>();
const usesByAll = new WeakMap<ImageFile, Use>();

/** How the guest uses the file; a guest that was started often states each use as often. */
function useBy(guest: string, file: ImageFile): Use {
  const known = getOrMake(usesByGuest, file, () => new Map<string, Use>());
  return getOrMake(known, guest, () => useOf(file.uses.filter((each) => each.guest === guest)));
}

/** How all guests together use the file. */
function useByAll(file: ImageFile): Use {
  return getOrMake(usesByAll, file, () => useOf(file.uses));
}

function ownerNamed(custody: Custody): string | null {
  if (custody.kind === 'this-host') return custody.starting ? null : custody.incarnation.host;
  if (custody.kind === 'other') return custody.owner;
  // whoever else may have run it at the same time, this host did
  const local = custody.kind === 'unknown' ? custody.local : null;
  return local?.state === 'owner' && local.sure ? local.incarnation.host : null;
}

/** What the record itself says about the effect: before and asked, as this host saw them. */
export function effectOf(call: RelabelObserved): Effect {
  if (call.success === false) return 'failed';
  if (call.success === null) return 'unknown';
  if (call.attribute !== null) {
    if (call.attribute !== 'security.selinux' || call.asked_context === null) return 'unknown';
    return call.asked_context === call.before_context ? 'unchanged' : 'changed';
  }
  if (call.asked_mode !== null)
    return call.asked_mode === modeBits(call.before_mode) ? 'unchanged' : 'changed';
  if (call.before_uid === null || call.before_gid === null) return 'unknown';
  const uid = call.asked_uid === null || call.asked_uid === call.before_uid;
  const gid = call.asked_gid === null || call.asked_gid === call.before_gid;
  return uid && gid ? 'unchanged' : 'changed';
}

function modeBits(mode: number | null): number | null {
  return mode === null ? null : mode & 0o7777;
}

/**
 * A SELinux relabel logs both labels itself (relabelfrom, relabelto). Equal: nothing changed. Owners are different:
 * the record's owner is the NFS client's cache, which can be stale, so it never acquits.
 */
function contextUnchanged(call: RelabelObserved): boolean {
  return (
    call.attribute === 'security.selinux' &&
    call.attribute_confidence === 'certain' &&
    effectOf(call) === 'unchanged'
  );
}

function isElsewhere(
  call: ImageCall,
  { guest }: GuestCustody,
  owners: readonly Incarnation[],
  { storages, callsOnFile }: JudgeContext,
): boolean {
  return mayBeAnotherFile(call, guest, owners, storages, callsOnFile(call.file));
}

/** Labels and owners decide access; a mode does too, but libvirt never sets one; other attributes never do. */
function touchesAccess(call: RelabelObserved): boolean {
  if (asksForOwner(call)) return true;
  if (call.attribute === 'security.selinux' || call.attribute === 'unknown') return true;
  return call.call === 'unknown' || call.call === 'avc-only';
}

const FILE_TYPE_MASK = 0o170000;
const BLOCK_DEVICE = 0o060000;
const CHARACTER_DEVICE = 0o020000;

function isHostLocal(call: ImageCall): boolean {
  const type = (call.event.body.before_mode ?? 0) & FILE_TYPE_MASK;
  return type === BLOCK_DEVICE || type === CHARACTER_DEVICE || call.storage?.shared === false;
}

/** The answer over all incarnations that may have owned the guest: they must agree. */
function answerFor(
  at: Extract<Custody, { candidates: Incarnation[] }>,
  custody: GuestCustody,
  call: ImageCall,
  use: Use,
  context: JudgeContext,
): { answer: Answer; asked: 'known' | 'unknown'; need: Need | null; certain: boolean } {
  const { body } = call.event;
  const owners = at.candidates;
  const isOwnerGuessed = at.kind === 'other' && at.isGuessed;
  const asked = body.attribute !== null && body.asked_context === null ? 'unknown' : 'known';
  const needs = owners.map((owner) => needOf(owner, context.records.get(owner.host) as HostRecord));
  for (const record of context.records.values()) {
    if (record.host === call.record.host || !record.facts.hypervisor) continue;
    // no incarnation of the owner is on record for certain, or a hole could hide one: what this hypervisor's guests need
    if (owners.length === 0 || !custody.isWhole(record)) {
      needs.push({ owner: hostDacLabel(record), context: null, processContext: null });
    } else if (
      isOwnerGuessed &&
      asksForOwner(body) &&
      !covers(record, 'audit', BEFORE, record.events.length)
    ) {
      // libvirt's events alone do not tie a guest that has another name here to the one elsewhere
      needs.push({ ...(needs[0] as Need), owner: hostDacLabel(record) });
    }
  }
  for (const other of custody.possibleOwners(call.record.host)) {
    needs.push(needOf(other, context.records.get(other.host) as HostRecord));
  }
  if (isByLibvirt(body)) for (const need of needs) need.context ??= activeContext(body.before_context);
  const answers = new Set(needs.map((need) => asksWhatIsNeeded(body, need, use)));
  const need = needs[0] ?? null;
  const certain = needs.length === 1 || new Set(needs.map((each) => JSON.stringify(each))).size === 1;
  // where orders of the hand-overs were left out, any owner on record may have been the one
  if (custody.exhausted || (custody.ambiguous && !custody.areLinksSure && answers.has('same'))) {
    for (const other of custody.allIncarnations) {
      if (other.owns === null || other.host === call.record.host) continue;
      answers.add(asksWhatIsNeeded(body, needOf(other, context.records.get(other.host) as HostRecord), use));
    }
  }
  if (answers.size === 1) return { answer: [...answers][0] as Answer, asked, need, certain };
  return { answer: 'unknown', asked, need, certain };
}

/**
 * The label the guest last ran under: a context with categories is one that libvirt gave a running guest's image.
 * Even a stale one tells that another guest-specific label was in use than the one asked for.
 */
function activeContext(before: string | null): string | null {
  const context = before === null ? null : parseContext(before);
  return context && context.categories.size > 0 ? before : null;
}

/**
 * The owner's own libvirt gave the file back while the guest went on: unplugged, or dropped by a block job. From
 * then on nobody needs it; whether this call came before or after cannot be told across hosts.
 */
function wasDropped(
  call: ImageCall,
  owners: readonly Incarnation[],
  custody: GuestCustody,
  use: Use,
  context: JudgeContext,
): boolean {
  return context.callsOnFile(call.file).some((other) => {
    const { body } = other.event;
    if (!isByLibvirt(body) || body.success !== true || !asksForOwner(body)) return false;
    const at = custody.at(other.record.host, other.position, true);
    if (at.kind !== 'this-host' || at.starting) return false;
    const { incarnation } = at;
    if (owners.length > 0 && owners.every((owner) => custody.precedes(owner, incarnation))) return false;
    return isGivenBackBy(incarnation, other, use);
  });
}

/** libvirt gave the file back while this incarnation of its guest went on. */
export function isGivenBackBy(
  incarnation: Incarnation,
  { event: { body }, record, position }: Pick<ImageCall, 'event' | 'record' | 'position'>,
  use: Use,
): boolean {
  if (asksWhatIsNeeded(body, needOf(incarnation, record), use) !== 'different') return false;
  const end = incarnation.shuttingDown?.at ?? incarnation.ended;
  if (end === null) return true;
  const { times } = record;
  return (times[end] as number) - (times[position] as number) > RESTORE_BEFORE_STOP_US;
}

/**
 * Did the file have the label already? The record of the call says so only as this host's cache saw it, which is
 * believed when it is explained: somebody is on record as having set that label, and nobody as having set another
 * one since. Where records are missing, one of them may be the explanation, or what undid it.
 */
function alreadySo(call: ImageCall, guest: string, context: JudgeContext): Answer {
  const { body } = call.event;
  if (body.attribute !== null || effectOf(body) !== 'unchanged') return 'different';
  const isSame = (other: RelabelObserved) =>
    other.asked_uid === body.asked_uid && other.asked_gid === body.asked_gid;
  const others = context
    .callsOnFile(call.file)
    .filter((each) => each !== call && each.event.body.success !== false && asksForOwner(each.event.body));
  const own = others.filter((each) => each.record === call.record && each.position < call.position);
  const foreign = others.filter((each) => each.record !== call.record);
  const undone = foreign.some((each) => !isSame(each.event.body));
  const last = own.at(-1)?.event.body;
  const explained = last === undefined ? foreign.some((each) => isSame(each.event.body)) : isSame(last);
  if (explained && undone) return 'different';
  for (const { streams, gaps, facts } of context.records.values()) {
    if (!streams.has('audit') || gaps.hideIn('audit') || facts.mounts === null) return 'unknown';
  }
  if (explained) return 'same';
  return !undone && isLabelOfAnother(call, guest, context) ? 'unknown' : 'different';
}

/** Another guest that uses the file was given this label, so that its start may have set it before the record. */
function isLabelOfAnother(
  { event: { body }, file }: ImageCall,
  guest: string,
  context: JudgeContext,
): boolean {
  const asked = formatOwner({ uid: body.asked_uid, gid: body.asked_gid });
  return file.uses.some((use) => use.guest !== guest && context.given.to(use.guest).has(asked));
}
