import { getOrMake } from '../domain/group.js';
import { parseContext } from '../domain/label.js';
import type { Access, FindingReport, GuestRef } from '../domain/report.js';
import type { Event, EventOf } from '../events/event.js';
import type { HostRecord } from './host-record.js';
import type { Judgement } from './judge.js';
import { asksForOwner } from './need.js';

const ACCESS_RANK: Record<Access, number> = {
  kept: 0,
  unknown: 1,
  'lost-on-refresh': 2,
  'read-only': 3,
  lost: 4,
};

/** What the relabels took from the owner's QEMU, by mode and owner, and by SELinux where it is enforced. */
export function accessAfter(judgements: readonly Judgement[], ownerRecord: HostRecord | null): Access {
  let worst: Access = 'kept';
  for (const judgement of judgements) {
    const access = accessAfterOne(judgement, ownerRecord);
    if (ACCESS_RANK[access] > ACCESS_RANK[worst]) worst = access;
  }
  return worst;
}

function accessAfterOne(judgement: Judgement, ownerRecord: HostRecord | null): Access {
  const { body } = judgement.call.event;
  if (body.success === false || judgement.effect === 'unchanged') return 'kept';
  if (!asksForOwner(body)) return selinuxAccess(judgement, ownerRecord);
  const needed = judgement.need?.owner;
  if (!needed) return 'unknown';
  if (needed.uid === 0) return 'kept';
  if (body.before_mode === null) return 'unknown';
  const uid = body.asked_uid ?? body.before_uid;
  const gid = body.asked_gid ?? body.before_gid;
  const shift = uid === needed.uid ? 6 : gid === needed.gid ? 3 : 0;
  const bits = (body.before_mode >> shift) & 0o7;
  const [readable, writable] = [(bits & 4) !== 0, (bits & 2) !== 0];
  if (!readable) return 'lost';
  return writable || judgement.use.readOnly ? 'kept' : 'read-only';
}

function selinuxAccess(judgement: Judgement, ownerRecord: HostRecord | null): Access {
  const mode = ownerRecord?.facts.selinuxMode ?? null;
  if (mode === 'permissive' || mode === 'disabled') return 'kept';
  const asked = judgement.call.event.body.asked_context;
  if (mode === null || asked === null) return 'unknown';
  const needed = parseContext(judgement.need?.context ?? '');
  const context = parseContext(asked);
  if (!needed || !context) return 'unknown';
  const denied =
    context.type !== needed.type || [...context.categories].some((each) => !needed.categories.has(each));
  return denied ? 'lost-on-refresh' : 'kept';
}

/** I/O errors and pauses of one guest on one host, each error counted once however many streams tell of it. */
export interface Suffering {
  /** only errors that a lost label explains */
  denied: EventOf<'GuestIoError'>[];
  paused: boolean;
}

const UNHARMED: Suffering = { denied: [], paused: false };

/** What QEMU says of a write that was refused for want of rights. */
export const DENIED = /permission denied|operation not permitted|EACCES|EPERM/i;

/** @param isSettled what was said of before, and is not to be said again */
export function sufferingOf(
  record: HostRecord,
  positions: readonly number[],
  isSettled: (event: Event) => boolean,
): Suffering {
  if (positions.length === 0) return UNHARMED;
  const byStream = new Map<string, EventOf<'GuestIoError'>[]>();
  let paused = false;
  for (const position of positions) {
    const event = record.events[position] as Event;
    if (isSettled(event)) continue;
    if (
      event.kind === 'LifecycleChanged' &&
      event.body.event === 'Suspended' &&
      event.body.detail === 'I/O Error'
    ) {
      paused = true;
    }
    if (event.kind !== 'GuestIoError') continue;
    if (event.body.action === 'pause' || event.body.action === 'stop') paused = true;
    // virsh prints every error twice, the second time with a reason
    if (event.stream === 'virsh-event' && event.body.reason !== null) continue;
    getOrMake(byStream, event.stream, () => []).push(event);
  }
  const best =
    byStream.get('qemu-monitor-event') ?? byStream.get('guest-log') ?? byStream.get('virsh-event') ?? [];
  const told = best.filter((event) => event.body.reason !== null);
  return {
    denied: told.length === 0 ? best : told.filter((event) => DENIED.test(event.body.reason as string)),
    paused,
  };
}

export function impactText(
  access: Access,
  errors: number,
  paused: boolean,
  guest: GuestRef,
  owner: string | null,
): FindingReport['impact']['text'] {
  const who = `${guest.name ?? guest.uuid ?? 'the guest'}${owner === null ? '' : ` on ${owner}`}`;
  const can: Record<Access, string> = {
    lost: `${who} can no longer open its image`,
    'read-only': `${who} can no longer write its image`,
    kept: `${who} can still use its image`,
    'lost-on-refresh': `${who} is denied its image as soon as its host looks at the file's label again`,
    unknown: `whether ${who} can still use its image is not known`,
  };
  const seen =
    errors === 0
      ? 'no I/O error was reported'
      : `${errors} I/O error${errors === 1 ? ' was' : 's were'} reported`;
  return `${can[access]}; ${seen}${paused ? '; the guest was paused' : ''}`;
}
