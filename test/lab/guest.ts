/** last part of a mount point below the images directory; `local` lies on the host's disk, `dev` are device nodes */
export type StorageName = string;

export interface LabFile {
  storage: StorageName;
  name: string;
  inode: number;
  mode: number;
  uid: number;
  gid: number;
  context: string | null;
}

export interface LabDisk {
  /** the active image first, then its backing chain */
  chain: LabFile[];
  shareable: boolean;
  read_only: boolean;
  /** false: its `<source>` says `<seclabel relabel='no'/>`, so libvirt leaves it alone */
  relabel?: boolean;
}

/** A file that a guest needs beside its disks. */
export interface BootFile {
  role: 'kernel' | 'initrd' | 'nvram';
  file: LabFile;
}

export interface LabGuest {
  name: string;
  uuid: string;
  disks: LabDisk[];
  bootFiles: BootFile[];
  /** hosts whose QEMU runs its vCPUs */
  runsOn: Set<string>;
  /** what each host's QEMU of it has or last had */
  labels: Map<string, { uid: number; context: string | null }>;
  /** hosts with a definition of it */
  definedOn: Set<string>;
  /** hosts with a QEMU process of it, running or not */
  processOn: Set<string>;
}

/** The label that libvirt gives a file of a disk, when `own` is the guest's. */
export function contextFor(disk: LabDisk, depth: number, own: string): string {
  if (disk.shareable) return 'system_u:object_r:svirt_image_t:s0';
  return disk.read_only || depth > 0 ? 'system_u:object_r:virt_content_t:s0' : own;
}

/** Can the owner's QEMU use the file with this label? */
export function suits(guest: LabGuest, owner: string, file: LabFile, context: string): boolean {
  const own = guest.labels.get(owner)?.context;
  if (own == null) return true;
  if (guest.bootFiles.some((each) => each.file === file)) return context === own;
  return guest.disks.some((disk) =>
    disk.chain.some((each, depth) => each === file && contextFor(disk, depth, own) === context),
  );
}
