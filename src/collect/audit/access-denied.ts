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

/** Every QEMU meets these while it starts; they are no storage. */
const PSEUDO_FILE_TYPE = /^(?:sysfs|proc|proc_\w+|cgroup|sysctl_\w+|sysctl)_t$/;
/** Role of files. What stands below /proc/PID has the role of the process instead. */
const FILE_ROLE = 'object_r';

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
  const [, fileRole, fileType = ''] = avc.tcontext.split(':');
  if (fileRole !== FILE_ROLE) return null;
  const [, , processType = ''] = avc.scontext.split(':');
  const isByGuest = GUEST_TYPE.test(processType) && !PSEUDO_FILE_TYPE.test(fileType);
  if (!isByGuest && !IMAGE_TYPES.has(fileType)) return null;
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
