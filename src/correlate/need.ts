import { type Owner, parseContext, parseDacLabel } from '../domain/label.js';
import type { RelabelObserved } from '../events/event.js';
import type { HostRecord } from './host-record.js';
import type { ImageUse } from './images.js';
import type { Incarnation } from './incarnation.js';

/** The label that the owner's QEMU needs on an image, as far as the records state it. */
export interface Need {
  owner: Owner | null;
  context: string | null;
  /** context of the QEMU process, for what it may access */
  processContext: string | null;
}

/** How a use of an image constrains its label. */
export interface Use {
  /** opened for reading only: backing files and read-only disks */
  readOnly: boolean;
  shareable: boolean;
}

export function useOf(uses: readonly ImageUse[]): Use {
  return {
    readOnly: uses.length > 0 && uses.every(({ image }) => image.read_only || image.role === 'backing'),
    shareable: uses.some(({ image }) => image.shareable),
  };
}

/**
 * Best evidence first: what libvirt assigned to this very incarnation (VIRT_MACHINE_ID, live XML, per-guest log),
 * else what its host gives every guest (capabilities, qemu.conf).
 */
export function needOf(incarnation: Incarnation, record: HostRecord): Need {
  const { labels } = incarnation;
  const assigned = labels.dac === null ? null : parseDacLabel(labels.dac);
  return {
    owner: assigned ?? hostDacLabel(record),
    context: labels.selinux,
    processContext: labels.selinuxProcess,
  };
}

/** uid:gid that a host's libvirt runs QEMU under, from capabilities, else qemu.conf. */
export function hostDacLabel(record: HostRecord): Owner | null {
  const { securityModels, qemuConf, users, groups } = record.facts;
  const dac = securityModels?.find((model) => model.model === 'dac');
  for (const { label } of dac?.base_labels ?? []) {
    const parsed = parseDacLabel(label);
    if (parsed) return parsed;
  }
  if (!qemuConf) return null;
  const uid = numericId(qemuConf.user, users, 'root');
  const gid = numericId(qemuConf.group, groups, 'root');
  return uid === null || gid === null ? null : { uid, gid };
}

function numericId(name: string | null, ids: ReadonlyMap<string, number>, root: string): number | null {
  if (name === null) return null;
  if (/^\+?\d+$/.test(name)) return Number(name.replace('+', ''));
  return name === root ? 0 : (ids.get(name) ?? null);
}

export type Answer = 'same' | 'different' | 'unknown';

/** Does the label that a call asks for suit the owner? Parts that the call leaves alone do not count. */
export function asksWhatIsNeeded(call: RelabelObserved, need: Need, use: Use): Answer {
  const answers: Answer[] = [];
  if (asksForOwner(call)) answers.push(ownerAnswer(call, need));
  if (call.attribute === 'security.selinux') answers.push(contextAnswer(call.asked_context, need, use));
  if (answers.includes('different')) return 'different';
  return answers.includes('unknown') || answers.length === 0 ? 'unknown' : 'same';
}

/** The label that a call asks for, or that libvirt announced to ask for; null leaves that part alone. */
export type AskedLabel = Pick<RelabelObserved, 'asked_uid' | 'asked_gid' | 'asked_context'>;

export function asksForOwner(asked: AskedLabel): boolean {
  return asked.asked_uid !== null || asked.asked_gid !== null;
}

function ownerAnswer(call: RelabelObserved, need: Need): Answer {
  if (!need.owner) return 'unknown';
  const uid = call.asked_uid === null || need.owner.uid === null || call.asked_uid === need.owner.uid;
  const gid = call.asked_gid === null || need.owner.gid === null || call.asked_gid === need.owner.gid;
  return uid && gid ? 'same' : 'different';
}

/** Types that every confined guest may read (virtual_image_context of the policies in use). */
const CONTENT_TYPE = 'virt_content_t';
const IMAGE_TYPE = 'svirt_image_t';

function contextAnswer(asked: string | null, need: Need, use: Use): Answer {
  if (asked === null) return 'unknown';
  if (need.context !== null && asked === need.context) return 'same';
  const context = parseContext(asked);
  if (!context) return 'unknown';
  // libvirt labels backing files, read-only and shareable disks alike for all guests; it gives content's label only to
  // what the guest's present definition opens for reading
  if (
    context.categories.size === 0 &&
    (context.type === CONTENT_TYPE || ((use.readOnly || use.shareable) && context.type === IMAGE_TYPE))
  ) {
    return 'same';
  }
  if (need.context === null) return 'unknown';
  const needed = parseContext(need.context);
  if (!needed) return 'unknown';
  const contained = [...context.categories].every((category) => needed.categories.has(category));
  return context.type === needed.type && contained ? 'same' : 'different';
}
