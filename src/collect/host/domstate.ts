import type { ByteText } from '../../domain/byte-text.js';
import type { Event } from '../../events/event.js';
import type { Snapshot } from './snapshot.js';
import { linesOf } from './text.js';

/** States as virsh prints them (virsh-domain-monitor.c), each perhaps with a reason: `running (migrated)`. */
const STATE = /^(no state|running|idle|paused|in shutdown|shut off|crashed|pmsuspended)(?: \((.+)\))?$/;

/** A line of `virsh domstate --reason`; null when it is none. */
export function guestStateOf(line: ByteText): { state: ByteText; reason: ByteText | null } | null {
  const match = STATE.exec(line);
  return match === null ? null : { state: match[1] as string, reason: match[2] ?? null };
}

/** `virsh domstate --reason NAME`; it does not print the name. */
export function readDomstate(snapshot: Snapshot, name: ByteText): Event[] {
  const [line, ...rest] = linesOf(snapshot.bytes);
  if (line === undefined) return [];
  const state = guestStateOf(line);
  if (!state || rest.length > 0) return [snapshot.unreadGap([line, ...rest])];
  const guest = { guest: { uuid: null, name }, ...state };
  return [snapshot.event('GuestsListed', { complete: false, guests: [guest] })];
}
