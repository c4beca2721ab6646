import type { ByteText } from '../../domain/byte-text.js';
import type { RelabelObserved } from '../../events/event.js';

export interface XattrEvidence {
  attribute: NonNullable<RelabelObserved['attribute']>;
  confidence: NonNullable<RelabelObserved['attribute_confidence']>;
}

const SELINUX_CERTAIN: XattrEvidence = { attribute: 'security.selinux', confidence: 'certain' };
const SELINUX_LIKELY: XattrEvidence = { attribute: 'security.selinux', confidence: 'likely' };
const SELINUX_GUESS: XattrEvidence = { attribute: 'security.selinux', confidence: 'guess' };
const LIBVIRT_LIKELY: XattrEvidence = { attribute: 'trusted.libvirt', confidence: 'likely' };
const OTHER_GUESS: XattrEvidence = { attribute: 'other', confidence: 'guess' };
const UNKNOWN_GUESS: XattrEvidence = { attribute: 'unknown', confidence: 'guess' };

/** SELinux contexts with their NUL: `u:r:t_t:s0` is about 27 bytes, one with two categories 44. */
const CONTEXT_BYTES_MIN = 0x1b;
const CONTEXT_BYTES_MAX = 0x60;

const LIBVIRT_PROGRAM = /\/(?:libvirtd|virt(?:qemu|lxc|storage|xen|ch)d)$/;
const LIBVIRT_DOMAIN = /^[^:]*:[^:]*:virt(?:qemu)?d_t(?::|$)/;
const LABELLING_PROGRAM = /\/(?:restorecon|setfiles|chcon|fixfiles|matchpathcon|restorecond)$/;

/** Programs that write xattrs of their own kind. */
export type Program = 'libvirt' | 'labeller' | 'other';

export function programOf(exe: ByteText | null, subject: ByteText | null): Program {
  if (exe !== null && LIBVIRT_PROGRAM.test(exe)) return 'libvirt';
  if (subject !== null && LIBVIRT_DOMAIN.test(subject)) return 'libvirt';
  return exe !== null && LABELLING_PROGRAM.test(exe) ? 'labeller' : 'other';
}

/**
 * Which attribute an xattr call changed. The name is a pointer in the record, so this is a ladder of evidence:
 * the kernel's own relabel check (AVC) is proof; else the size of the value and who wrote it. libvirt's remembered
 * owner, count and timestamp (trusted.libvirt.security.*) are 1 to 25 bytes; it never removes security.selinux.
 *
 * @param size bytes of the value, null when the call hides it
 */
export function xattrEvidence(
  operation: 'set' | 'remove',
  hasRelabelCheck: boolean,
  size: number | null,
  program: Program,
): XattrEvidence {
  if (hasRelabelCheck) return SELINUX_CERTAIN;
  if (operation === 'remove') return program === 'libvirt' ? LIBVIRT_LIKELY : UNKNOWN_GUESS;
  if (size === null) return UNKNOWN_GUESS;
  if (program === 'libvirt' && size > 0 && size < CONTEXT_BYTES_MIN) return LIBVIRT_LIKELY;
  if (size < CONTEXT_BYTES_MIN || size > CONTEXT_BYTES_MAX) return OTHER_GUESS;
  return program === 'other' ? SELINUX_GUESS : SELINUX_LIKELY;
}
