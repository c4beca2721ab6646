import type { Stream } from '../events/event.js';
import type { ClockPlan } from './clock.js';

/**
 * What is to happen, as plain data: it prints, it can be cut down to the part that matters, and with its seed it
 * gives the same history again. A step that makes no sense when its turn comes (resuming a guest that runs) is
 * left out, so any plan is a valid plan.
 */
export interface Plan {
  seed: number;
  clusters: ClusterPlan[];
}

export interface ClusterPlan {
  name: string;
  hosts: HostPlan[];
  storage: StoragePlan[];
  guests: GuestPlan[];
  /** each script runs beside the others */
  scripts: Step[][];
}

export type SelinuxMode = 'disabled' | 'permissive' | 'enforcing';

export interface HostPlan {
  name: string;
  role: 'hypervisor' | 'nfs-server';
  clock: ClockPlan;
  /** `user` and `group` of qemu.conf, numeric */
  qemu_uid: number;
  qemu_gid: number;
  selinux: SelinuxMode;
  /** does the policy log every relabel (auditallow relabelfrom, relabelto) */
  logs_relabel_avc: boolean;
  /** directories that qemu.conf declares shared */
  shared_filesystems: string[];
  /** streams that are collected on this host */
  streams: Stream[];
  /** does the source tell the boot id */
  knows_boot: boolean;
  /** what the collector reads beside the streams, and when */
  facts_at: 'begin' | 'end' | 'both' | 'never';
  guests_listed_at: 'begin' | 'end' | 'both' | 'never';
}

/** `nfs` and `ceph` are known to libvirt as shared; it takes `9p`, `lustre` and `fuse.*` of other names for local. */
type FileSystem = 'nfs4' | 'ceph' | '9p' | 'lustre' | 'fuse.mfs' | 'ext4';

export interface StoragePlan {
  name: string;
  fs_type: FileSystem;
  /** as mountinfo has it: `nfs1:/srv/images`, a 9p tag, … */
  source: string;
  mount_point: string;
  /** the host that exports it by NFS, with the directory it exports */
  server: { host: string; path: string; root_squash: boolean } | null;
  /** do SELinux labels of files reach all hosts */
  labelled: boolean;
  /** how long a client may show an old owner */
  attribute_cache_ms: number;
}

export interface GuestPlan {
  name: string;
  uuid: string;
  disks: DiskPlan[];
  /** host that runs it when the history begins; null: it is shut off */
  runs_on: string | null;
  /** host that has its definition when it is shut off */
  defined_on: string;
}

export interface DiskPlan {
  target: string;
  storage: string;
  /** file names below the mount point, the active image first, then its backing chain */
  chain: string[];
  read_only: boolean;
  shareable: boolean;
}

export const MIGRATIONS = [
  'ok',
  'post-copy',
  'offline',
  'refused-by-hook',
  'prepare-fails-before-labelling',
  'prepare-fails-while-labelling',
  'prepare-fails-after-labelling',
  'aborted-before-switchover',
  'fails-after-switchover',
  'destination-dies',
  'destination-daemon-restarts',
  'post-copy-fails',
  'source-daemon-dies-before-takeover',
  'source-daemon-dies-after-takeover',
] as const;

/** The source's QEMU is lost: its end is none that libvirt has confirmed. */
export const SOURCE_LOSSES = [
  'source-crashes-in-copy',
  'source-crashes-after-takeover',
  /** the client that led the migration is gone, and somebody destroys the paused guest that it left */
  'source-left-paused-after-takeover',
] as const;
export type MigrationCourse = (typeof MIGRATIONS)[number] | (typeof SOURCE_LOSSES)[number];

export type ForeignAct =
  /** restorecon on a host that may not run the guest */
  | 'restorecon'
  /** chown -R on the directory: relative names below an unknown descriptor */
  | 'chown-recursive'
  /** chown of the file by its full name */
  | 'chown'
  /** backup agent: takes the file for itself and gives it back */
  | 'backup'
  /** user.* attributes by somebody else's program */
  | 'user-xattr'
  /** chown to what the owner needs, by whoever notices */
  | 'repair';

export type Step =
  | { do: 'wait'; ms: number }
  | { do: 'start'; guest: string; on?: string }
  | { do: 'shutdown' | 'destroy' | 'suspend' | 'resume' | 'reboot' | 'save-and-restore'; guest: string }
  | { do: 'migrate'; guest: string; to?: string; course: MigrationCourse; new_name?: string }
  | { do: 'recover-post-copy'; guest: string }
  | { do: 'destroy-paused-source'; guest: string }
  | { do: 'second-start'; guest: string; on?: string; locked: boolean }
  | { do: 'end-second'; guest: string }
  | { do: 'hotplug' | 'unplug'; guest: string }
  | { do: 'snapshot' | 'block-commit'; guest: string }
  | { do: 'foreign'; act: ForeignAct; guest: string; on: string }
  | { do: 'reboot-host'; host: string };
