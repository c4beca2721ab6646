import type { ImageRef, RelabelReport } from '../domain/report.js';
import type { EventOf, RelabelObserved } from '../events/event.js';
import type { ImageCall } from './image-call.js';
import type { Judgement } from './judge.js';

/** What a report says of a call that was judged. */

export function imageRef(call: ImageCall): ImageRef {
  const { body } = call.event;
  const named = body.path_quality === 'absolute' || body.path_quality === 'joined';
  return {
    path: named ? body.path : (call.file.path ?? body.path),
    storage: call.storage?.key ?? null,
    inode: body.inode,
  };
}

export function relabelReport(judgement: Judgement, guest: RelabelReport['guest']): RelabelReport {
  const stated = statedBy(judgement.call.event);
  return {
    id: stated.id,
    host: stated.host,
    at_us: stated.at_us,
    serial: stated.serial,
    call: stated.call,
    success: stated.success,
    guest,
    image: imageRef(judgement.call),
    before: stated.before,
    after: stated.after,
    effect: judgement.effect,
    owner: judgement.owner,
    verdict: judgement.verdict,
    reason: judgement.reason,
    proof: judgement.proof,
    missing: judgement.missing,
    actor: stated.actor,
  };
}

/** What the record itself says. */
export function statedBy(
  event: EventOf<'RelabelObserved'>,
): Pick<
  RelabelReport,
  'id' | 'host' | 'at_us' | 'serial' | 'call' | 'success' | 'before' | 'after' | 'actor'
> {
  const { body } = event;
  const statesLabel = body.before_uid !== null || body.before_context !== null;
  return {
    id: event.id,
    host: event.host,
    at_us: event.at,
    serial: body.serial,
    call: body.call,
    success: body.success,
    before: statesLabel
      ? { uid: body.before_uid, gid: body.before_gid, mode: body.before_mode, context: body.before_context }
      : null,
    after: afterOf(body),
    actor: { exe: body.exe, comm: body.comm, pid: body.pid, auid: body.auid },
  };
}

function afterOf(body: RelabelObserved): RelabelReport['after'] {
  if (body.success !== true) return null;
  if (body.attribute !== null && body.asked_context === null) return null;
  return {
    uid: body.asked_uid ?? body.before_uid,
    gid: body.asked_gid ?? body.before_gid,
    mode: body.asked_mode ?? body.before_mode,
    context: body.asked_context ?? body.before_context,
  };
}
