import type { AccessDenied } from '../../events/event.js';
import type { AvcRecord } from './avc-record.js';

/** Objects that a guest's image can be or be reached through. */
const FILE_CLASSES: ReadonlySet<string> = new Set(['file', 'blk_file', 'lnk_file', 'dir']);

/** What libvirt labels images with, and the labels of storage that images lie on (refpolicy, Fedora). */
const IMAGE_TYPES: ReadonlySet<string> = new Set([
  'svirt_image_t',
  'virt_image_t',
  'virt_content_t',
  'virt_var_lib_t',
  'nfs_t',
  'cifs_t',
  'fusefs_t',
  'cephfs_t',
  'glusterd_brick_t',
  'fixed_disk_device_t',
]);

/** Every process of a guest meets these; they are no storage. */
const PSEUDO_TYPES: ReadonlySet<string> = new Set(['sysfs_t', 'proc_t', 'cgroup_t', 'sysctl_t', 'kernel_t']);

/** Confined guests: svirt_t, svirt_tcg_t, svirt_kvm_net_t, qemu_t. */
const GUEST_TYPE = /^(?:svirt|qemu)/;

/**
 * A refused access that may have cost a guest its disk: a confined guest at any file that could be an image, or any
 * process at a file labelled as one. Everything else that SELinux refuses on a host is somebody else's.
 * Relabel checks are told by the relabel they belong to.
 */
export function accessDenied(avc: AvcRecord, serial: number): AccessDenied | null {
  if (avc.verdict !== 'denied' || !FILE_CLASSES.has(avc.tclass)) return null;
  if (avc.permissions === 'relabelfrom' || avc.permissions === 'relabelto') return null;
  const fileType = typeOf(avc.tcontext);
  const byGuest = GUEST_TYPE.test(typeOf(avc.scontext)) && !PSEUDO_TYPES.has(fileType);
  if (!byGuest && !IMAGE_TYPES.has(fileType)) return null;
  return {
    serial,
    permissions: avc.permissions,
    permissive: avc.permissive,
    process_context: avc.scontext,
    file_context: avc.tcontext,
    path: avc.path,
    name: avc.name,
    dev: avc.dev,
    inode: avc.inode,
    pid: avc.pid,
    comm: avc.comm,
  };
}

/** Third part of `user:role:type:range`. */
function typeOf(context: string): string {
  return context.split(':', 3)[2] ?? '';
}
