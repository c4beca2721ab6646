import type { RelabelObserved } from '../events/event.js';
import type { ImageCall } from './image-call.js';

/** libvirt sets the owner of a file within this time of its SELinux label, in the same way. */
const SAME_LABELLING_US = 5_000_000;

/**
 * Where the AVC pair of a SELinux relabel was lost, the label that was set stands in the host's next record of the
 * file, as the label before that call: libvirt labels a file for SELinux first and sets its owner right after. The
 * host reads back there what it has just set itself, so no stale cache is in play.
 */
export function withLabelsSeenAfter(calls: readonly ImageCall[]): ImageCall[] {
  const completed = [...calls];
  const nextOn = new Map<ImageCall['file'], ImageCall>();
  for (let index = calls.length - 1; index >= 0; index--) {
    const call = calls[index] as ImageCall;
    const next = nextOn.get(call.file);
    nextOn.set(call.file, call);
    const { body } = call.event;
    if (body.success !== true || body.attribute !== 'security.selinux' || body.asked_context !== null)
      continue;
    if (next?.record !== call.record || !isSameLabelling(call, next)) continue;
    const asked_context = next.event.body.before_context;
    completed[index] = { ...call, event: { ...call.event, body: { ...body, asked_context } } };
  }
  return completed;
}

function isSameLabelling(call: ImageCall, next: ImageCall): boolean {
  const [first, second]: [RelabelObserved, RelabelObserved] = [call.event.body, next.event.body];
  const { times } = call.record;
  return (
    first.ppid !== null &&
    first.ppid === second.ppid &&
    first.exe === second.exe &&
    second.before_context !== null &&
    first.value_size === second.before_context.length + 1 &&
    (times[next.position] as number) - (times[call.position] as number) <= SAME_LABELLING_US
  );
}
