// Generated from schemas/ by `npm run generate`: change the schema, then run it and release the schema.
import type { ByteText } from '../domain/byte-text.js';

/**
 * The facts a host can state, and nothing but facts: what they mean is decided in `src/correlate`. Times are µs since
 * the epoch on the clock of the host that states them.
 *
 * Lists of words are open: they travel as text, so that a new word is no new schema, and a reader can meet words of
 * a later version. Every decision over one needs a branch for "none of these".
 */

/** Where a fact was read. */
export type Stream =
  | 'audit'
  | 'virsh-event'
  | 'qemu-monitor-event'
  | 'daemon-log'
  | 'guest-log'
  | 'host-facts'
  | 'collector';

/**
 * The system call of a relabel, whatever the ABI called it.
 * `uring-setxattr`, `uring-fsetxattr`: io_uring SETXATTR / FSETXATTR
 * `avc-only`: relabelfrom/relabelto AVCs without their system call (rules silenced by never,task)
 * `unknown`: the SYSCALL record is missing
 */
export type RelabelCall =
  | 'chown'
  | 'fchown'
  | 'lchown'
  | 'fchownat'
  | 'chmod'
  | 'fchmod'
  | 'fchmodat'
  | 'fchmodat2'
  | 'setxattr'
  | 'lsetxattr'
  | 'fsetxattr'
  | 'setxattrat'
  | 'removexattr'
  | 'lremovexattr'
  | 'fremovexattr'
  | 'removexattrat'
  | 'uring-setxattr'
  | 'uring-fsetxattr'
  | 'avc-only'
  | 'unknown';

/**
 * How the path in the record relates to the file.
 * `absolute`: as given. `joined`: cwd + relative name. `relative-to-unknown-dirfd`: only the inode identifies
 * it.
 * `file-descriptor`: no name at all. `proc-fd`: /proc/self/fd/N, the inode is the target's. `none`: no PATH
 * record.
 */
export type PathQuality =
  | 'absolute'
  | 'joined'
  | 'relative-to-unknown-dirfd'
  | 'file-descriptor'
  | 'proc-fd'
  | 'none';

/**
 * Why something is missing.
 * `audit-lost`: the kernel dropped records and did not say which
 * `audit-serial-gap`: serials missing
 * `audit-cut-event`: an event with some of its records missing, or cut by the edge of what we have
 * `event-stream-ended`: virsh lost its daemon: `events received: N`
 * `rejected-lines`: lines that no parser could read
 */
export type GapKind =
  | 'audit-lost'
  | 'audit-serial-gap'
  | 'audit-cut-event'
  | 'audit-disabled'
  | 'audit-rules-changed'
  | 'daemon-stopped'
  | 'event-stream-ended'
  | 'collector-down'
  | 'rejected-lines'
  | 'file-truncated'
  | 'file-unreadable';

/** One fact with where, when and from which lines. */
export interface Envelope {
  /** hosts that migrate guests to each other; the Kafka key */
  cluster: string;
  host: string;
  /** /proc/sys/kernel/random/boot_id, null when the source does not tell */
  boot: string | null;
  stream: Stream;
  /**
   * grows with the order in which the stream was written; breaks ties of equal times, never part of the id
   */
  sequence: number;
  /** µs since the epoch on this host's clock */
  at: number;
  /** content identity: the same fact read twice, from any path, has the same id */
  id: ByteText;
  /** the raw lines, joined by \n, without a final one; empty for facts read from no line */
  witness: Buffer;
}

/** A call that changed, or tried to change, a label, as the audit log has it. */
export interface RelabelObserved {
  serial: number;
  /** `node=` of the line; part of the audit event's identity */
  node: ByteText | null;
  /**
   * `x86_64`, `i386`, `aarch64`, `ppc64le`, `s390x`, `arm`, `ppc64`; null when the SYSCALL record is missing
   * or its arch unknown
   */
  arch: string | null;
  call: RelabelCall;
  success: boolean | null;
  /** negative errno on failure */
  exit: number | null;
  /** null in a part: not asked for, or not logged */
  asked_uid: number | null;
  asked_gid: number | null;
  asked_mode: number | null;
  /** SELinux context asked for, from the relabelto AVC */
  asked_context: ByteText | null;
  /** PATH of the file as the process named it, made absolute where that is certain */
  path: ByteText | null;
  path_quality: PathQuality;
  /** `major:minor` in decimal, as in mountinfo */
  dev: string | null;
  /** decimal; up to 2^64, hence text */
  inode: string | null;
  /** state before the call as this host's cache saw it (PATH ouid, ogid, mode, obj; relabelfrom) */
  before_uid: number | null;
  before_gid: number | null;
  before_mode: number | null;
  before_context: ByteText | null;
  /** only for xattr calls: which attribute, by what evidence */
  attribute: 'security.selinux' | 'trusted.libvirt' | 'other' | 'unknown' | null;
  attribute_confidence: 'certain' | 'likely' | 'guess' | null;
  /** a3 of setxattr: size of the value */
  value_size: number | null;
  pid: number | null;
  ppid: number | null;
  uid: number | null;
  auid: number | null;
  exe: ByteText | null;
  comm: ByteText | null;
  subject: ByteText | null;
  key: ByteText | null;
  /** record types that the event should have had and has not */
  missing_records: string[];
}

/** Guest as one record named it: virsh prints names only, some audit records both. */
export interface GuestName {
  uuid: string | null;
  name: ByteText | null;
}

/** VIRT_CONTROL op=start: written after the labels of a start were set. */
export interface GuestStarted {
  /** audit serial; null when told by the daemon's log */
  serial: number | null;
  guest: GuestName;
  /** booted, migrated, restored, from-snapshot, reboot … */
  reason: ByteText;
  success: boolean;
  qemu_pid: number | null;
  daemon_pid: number | null;
}

/** VIRT_CONTROL op=stop: written after the labels were restored. */
export interface GuestStopped {
  /** audit serial; null when told by the daemon's log */
  serial: number | null;
  guest: GuestName;
  /** destroyed, shutdown, failed, crashed, saved, migrated, from-snapshot … */
  reason: ByteText;
  success: boolean;
  daemon_pid: number | null;
}

/** Label that libvirt gives the guest's QEMU and its images on this host. */
export interface GuestLabelAssigned {
  /** audit serial; null when read from domain XML or a per-guest log */
  serial: number | null;
  source: 'audit' | 'domain-xml' | 'guest-log';
  guest: GuestName;
  model: ByteText;
  process_label: ByteText | null;
  image_label: ByteText | null;
}

/** One file behind a guest’s disk, or its firmware or kernel. */
export interface AssignedImage {
  role: 'disk' | 'backing' | 'mirror' | 'nvram' | 'kernel' | 'initrd' | 'dtb' | 'other';
  path: ByteText | null;
  /** network disks, volumes and blocks have no path that a host could relabel */
  source: 'file' | 'block' | 'network' | 'volume' | 'other';
  /** target device of the disk this image belongs to (`vda`) */
  target: ByteText | null;
  read_only: boolean;
  shareable: boolean;
  /** false when the XML says relabel='no' for the model in question; null when nothing is said */
  relabel_dac: boolean | null;
  relabel_selinux: boolean | null;
}

/** Images of a guest: VIRT_RESOURCE disk, or the whole list out of the domain XML. */
export interface ImageAssigned {
  serial: number | null;
  source: 'audit' | 'domain-xml' | 'guest-log';
  guest: GuestName;
  /** start, attach, detach, update, mirror, snapshot; `snapshot-of-state` for whole lists */
  reason: ByteText;
  /** true when `images` is every image of the guest at that moment, with backing chains */
  complete: boolean;
  images: AssignedImage[];
  /** path the new image replaces (old-disk of VIRT_RESOURCE) */
  replaces: ByteText | null;
}

/** Lifecycle event of virsh. */
export interface LifecycleChanged {
  guest: GuestName;
  /** Defined, Undefined, Started, Suspended, Resumed, Stopped, Shutdown, PMSuspended, Crashed */
  event: ByteText;
  detail: ByteText;
}

/** QMP STOP. */
export interface VcpusStopped {
  guest: GuestName;
}

/** QMP RESUME. */
export interface VcpusResumed {
  guest: GuestName;
}

/** QMP MIGRATION. */
export interface MigrationStatusChanged {
  guest: GuestName;
  status: ByteText;
}

/** The guest’s QEMU could not read or write an image. */
export interface GuestIoError {
  guest: GuestName;
  path: ByteText | null;
  /** device alias (virtio-disk0) or qom path */
  device: ByteText | null;
  node_name: ByteText | null;
  operation: ByteText | null;
  /** report, pause, stop, ignore, none, unknown */
  action: ByteText;
  reason: ByteText | null;
}

/** A domain event of virsh other than lifecycle and io-error. */
export interface DomainEventSeen {
  guest: GuestName;
  /** control-error, block-job, device-added, job-completed … as virsh prints it */
  event: ByteText;
  /** the rest of the line and its continuation lines */
  detail: ByteText;
}

/** The security driver said what it was about to do; not evidence that it did. */
export interface RelabelIntended {
  source: 'daemon-log' | 'journal';
  model: 'dac' | 'selinux';
  operation:
    | 'set'
    | 'restore'
    | 'restore-all'
    | 'skip-shared'
    | 'unsupported'
    | 'not-permitted'
    | 'read-only';
  guest: GuestName | null;
  path: ByteText | null;
  asked_uid: number | null;
  asked_gid: number | null;
  asked_context: ByteText | null;
  /** virSecurity…RestoreAllLabel's flag: false means that shared storage is not spared */
  migrated: boolean | null;
  /** equals the audit record's pid when the line comes from the forked child */
  thread_id: number | null;
}

/** A daemon that the records depend on, or the host, came or went. */
export interface DaemonChanged {
  /** libvirtd, virtqemud, auditd; host when the machine itself started */
  daemon: string;
  change: 'started' | 'stopped' | 'failed';
}

/** SELinux refused a process access to a file. */
export interface AccessDenied {
  serial: number;
  permissions: ByteText;
  permissive: boolean;
  process_context: ByteText;
  file_context: ByteText;
  path: ByteText | null;
  name: ByteText | null;
  dev: ByteText | null;
  inode: string | null;
  pid: number | null;
  comm: ByteText | null;
}

/** One guest of `virsh list` or `domstate`. */
export interface ListedGuest {
  guest: GuestName;
  /** running, paused, shut off, crashed … */
  state: ByteText;
  /** booted, migrated, unpaused, destroyed … */
  reason: ByteText | null;
}

/** Who was defined and running on a host: read at start and after every gap. */
export interface GuestsListed {
  /** true when every guest of the host is in the list */
  complete: boolean;
  guests: ListedGuest[];
}

/** A line of mountinfo. */
export interface Mount {
  /** `major:minor` in decimal */
  dev: string;
  root: ByteText;
  mount_point: ByteText;
  fs_type: ByteText;
  source: ByteText;
  options: ByteText;
}

/** A line of the NFS server’s exports. */
export interface Export {
  path: ByteText;
  options: ByteText;
}

/** The settings of qemu.conf that decide labels; null where the file says nothing. */
export interface QemuConf {
  user: ByteText | null;
  group: ByteText | null;
  dynamic_ownership: boolean | null;
  remember_owner: boolean | null;
  security_drivers: ByteText[];
  shared_filesystems: ByteText[];
}

/** Label a driver gives by default, per virtualisation type: `kvm` -> `+64055:+64055`. */
export interface BaseLabel {
  type: ByteText;
  label: ByteText;
}

/** A security driver of capabilities.xml. */
export interface SecurityModel {
  model: ByteText;
  doi: ByteText;
  /** per virtualisation type: `kvm` -> `+64055:+64055` */
  base_labels: BaseLabel[];
}

/** `getsebool`. */
export interface SelinuxBoolean {
  name: ByteText;
  on: boolean;
}

/** A user or group name with its number on this host. */
export interface NamedId {
  name: ByteText;
  id: number;
}

/** `auditctl -s`. */
export interface AuditStatus {
  enabled: number;
  lost: number;
  backlog_limit: number;
  rate_limit: number;
  backlog_wait_time: number | null;
}

/** Each part is null when this event did not read it; later events of a host replace earlier parts. */
export interface HostFactsRead {
  /** file or command the facts came from */
  origin: ByteText;
  host_name: ByteText | null;
  host_uuid: string | null;
  machine_id: string | null;
  kernel: ByteText | null;
  libvirt_version: ByteText | null;
  mounts: Mount[] | null;
  exports: Export[] | null;
  qemu_conf: QemuConf | null;
  security_models: SecurityModel[] | null;
  /** disabled, permissive, enforcing */
  selinux_mode: string | null;
  selinux_booleans: SelinuxBoolean[] | null;
  /** numeric ids of the names that qemu.conf may use */
  users: NamedId[] | null;
  groups: NamedId[] | null;
  audit: AuditStatus | null;
  /** loaded audit rules, as auditctl -l prints them */
  audit_rules: ByteText[] | null;
}

/** Time up to which a stream is complete. */
export interface StreamWatermark {
  stream: Stream;
  at: number;
}

/** Nothing of the named streams with an earlier time will follow. */
export interface Heartbeat {
  streams: StreamWatermark[];
  /** this clock minus true time, when the host knows it */
  clock_offset_us: number | null;
  clock_uncertainty_us: number | null;
}

/** A known hole in what could be seen. */
export interface GapDetected {
  kind: GapKind;
  /** the stream that has the hole */
  of_stream: Stream;
  /** null: unknown, the hole may reach back to the beginning */
  from: number | null;
  /** null: unknown, the hole may reach to the end */
  to: number | null;
  lost: number | null;
  serial_from: number | null;
  serial_to: number | null;
  detail: ByteText;
}

export interface EventBodies {
  RelabelObserved: RelabelObserved;
  GuestStarted: GuestStarted;
  GuestStopped: GuestStopped;
  GuestLabelAssigned: GuestLabelAssigned;
  ImageAssigned: ImageAssigned;
  LifecycleChanged: LifecycleChanged;
  VcpusStopped: VcpusStopped;
  VcpusResumed: VcpusResumed;
  MigrationStatusChanged: MigrationStatusChanged;
  GuestIoError: GuestIoError;
  DomainEventSeen: DomainEventSeen;
  RelabelIntended: RelabelIntended;
  DaemonChanged: DaemonChanged;
  AccessDenied: AccessDenied;
  GuestsListed: GuestsListed;
  HostFactsRead: HostFactsRead;
  Heartbeat: Heartbeat;
  GapDetected: GapDetected;
}

export type EventKind = keyof EventBodies;

/** One fact with where, when and from which lines. */
export type EventOf<K extends EventKind> = Envelope & { kind: K; body: EventBodies[K] };
export type Event = { [K in EventKind]: EventOf<K> }[EventKind];
