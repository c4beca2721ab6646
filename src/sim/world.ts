import type { CausalWindow, Lane, Needs } from './ledger.js';
import type { ClusterPlan, DiskPlan, GuestPlan, HostPlan, StoragePlan } from './plan.js';

/** The true state of hosts, files and guests. Nothing here knows what anybody could see of it. */

export interface FileLabel {
  uid: number;
  gid: number;
  /** with the file type, as the audit log has it */
  mode: number;
  context: string | null;
}

export interface SimFile {
  name: string;
  storage: StoragePlan;
  inode: string;
  label: FileLabel;
}

export interface SimDisk {
  target: string;
  /** the active image first */
  chain: SimFile[];
  read_only: boolean;
  shareable: boolean;
}

export interface Incarnation {
  guest: SimGuest;
  host: SimHost;
  lane: Lane;
  name: string;
  domain_id: number;
  qemu_pid: number;
  needs: Needs;
  process_context: string | null;
  /** did a collected record or domain XML state its labels */
  labels_stated: boolean;
  paused: boolean;
  /** while it is the destination's half of a migration attempt */
  window: CausalWindow | null;
  /** post-copy broke: it is paused, and the other side owns the guest */
  post_copy_error: boolean;
}

export interface SimGuest {
  uuid: string;
  name: string;
  disks: SimDisk[];
  main: Incarnation | null;
  second: Incarnation | null;
  /** being received by the destination of a migration */
  receiving: Incarnation | null;
  /** what is left on the source of a broken post-copy */
  leftover: Incarnation | null;
  defined_on: SimHost;
  broken_migration: { from: SimHost; to: SimHost; began_us: number } | null;
  /** files that some record or domain XML ties to the guest */
  listed_files: Set<SimFile>;
  /** a migration or another long act is under way */
  busy: boolean;
}

export interface SimHost {
  plan: HostPlan;
  index: number;
  boot: string;
  serial: number;
  next_pid: number;
  daemon_pid: number;
  next_domain_id: number;
  daemon_up: boolean;
  /** is virsh connected: after a restart of the daemon somebody has to start it again */
  listening: boolean;
  /** long acts under way: the daemon dies only when it has nothing else in hand */
  activities: number;
  /** what this host's cache shows of a file, and until when */
  views: Map<SimFile, { label: FileLabel; until_us: number }>;
  devices: Map<string, string>;
  /** labels of files on this host's own disks: same names elsewhere are other files */
  local_labels: Map<SimFile, FileLabel>;
}

export interface World {
  cluster: string;
  hosts: SimHost[];
  guests: SimGuest[];
  files: SimFile[];
}

const FIRST_ANONYMOUS_MINOR = 43;
const ROOT_DEVICE = '254:0';

export function createWorld(plan: ClusterPlan): World {
  const hosts = plan.hosts.map((host, index) => createHost(host, index, plan.storage));
  const files: SimFile[] = [];
  const guests = plan.guests.map((guest) => createGuest(guest, plan, hosts, files));
  return { cluster: plan.name, hosts, guests, files };
}

function createHost(plan: HostPlan, index: number, storage: StoragePlan[]): SimHost {
  const devices = new Map<string, string>();
  for (const [order, one] of storage.entries()) {
    const local = one.fs_type === 'ext4' || one.server?.host === plan.name;
    // anonymous numbers follow the order of mounting, which differs from host to host
    devices.set(
      one.name,
      local ? ROOT_DEVICE : `0:${FIRST_ANONYMOUS_MINOR + ((order + index) % (storage.length + 1))}`,
    );
  }
  return {
    plan,
    index,
    boot: bootId(plan.name, 0),
    serial: 600 + 211 * index,
    next_pid: 800 + 90 * index,
    daemon_pid: 636 + index,
    next_domain_id: 1,
    daemon_up: plan.role === 'hypervisor',
    listening: plan.role === 'hypervisor',
    activities: 0,
    views: new Map(),
    devices,
    local_labels: new Map(),
  };
}

export function bootId(host: string, boots: number): string {
  const tail = Buffer.from(`${host}${boots}`).toString('hex').padEnd(12, '0').slice(-12);
  return `b0070000-0000-4000-8000-${tail}`;
}

function createGuest(plan: GuestPlan, cluster: ClusterPlan, hosts: SimHost[], files: SimFile[]): SimGuest {
  const host = hostNamed(hosts, plan.runs_on ?? plan.defined_on);
  const guest: SimGuest = {
    uuid: plan.uuid,
    name: plan.name,
    disks: plan.disks.map((disk) => createDisk(disk, cluster, files)),
    main: null,
    second: null,
    receiving: null,
    leftover: null,
    defined_on: host,
    broken_migration: null,
    listed_files: new Set(),
    busy: false,
  };
  return guest;
}

function createDisk(plan: DiskPlan, cluster: ClusterPlan, files: SimFile[]): SimDisk {
  const storage = cluster.storage.find(({ name }) => name === plan.storage);
  if (storage === undefined) throw new RangeError(`no storage ${plan.storage} in ${cluster.name}`);
  return {
    target: plan.target,
    chain: plan.chain.map((name) => fileNamed(files, storage, name)),
    read_only: plan.read_only,
    shareable: plan.shareable,
  };
}

export const UNUSED_CONTEXT = 'system_u:object_r:virt_image_t:s0';
const FIRST_INODE = 92;

/** The file of that name, made when it is new: root's, as an administrator leaves it. */
export function fileNamed(files: SimFile[], storage: StoragePlan, name: string): SimFile {
  const existing = files.find((file) => file.storage === storage && file.name === name);
  if (existing !== undefined) return existing;
  const inode = FIRST_INODE + files.filter((file) => file.storage === storage).length;
  const file: SimFile = {
    name,
    storage,
    // every storage numbers from the same inode: the number alone identifies nothing
    inode: String(inode),
    label: { uid: 0, gid: 0, mode: 0o100600, context: storage.labelled ? UNUSED_CONTEXT : null },
  };
  files.push(file);
  return file;
}

export function hostNamed(hosts: SimHost[], name: string): SimHost {
  const host = hosts.find(({ plan }) => plan.name === name);
  if (host === undefined) throw new RangeError(`no host ${name}`);
  return host;
}

export function isShared(storage: StoragePlan): boolean {
  return storage.fs_type !== 'ext4';
}

/** Would libvirt on this host spare the file when it restores labels after a migration (virFileIsSharedFS)? */
export function isKnownShared(host: SimHost, storage: StoragePlan): boolean {
  if (storage.server?.host === host.plan.name) return false;
  if (host.plan.shared_filesystems.includes(storage.mount_point)) return true;
  return storage.fs_type === 'nfs4' || storage.fs_type === 'ceph';
}

/** Are image locks that QEMU takes on one host seen by the others? */
export function locksBetweenHosts(storage: StoragePlan): boolean {
  return storage.fs_type === 'nfs4' || storage.fs_type === 'ceph';
}

/** Name of the file on a host; the server of an export sees its own directory. */
export function pathOn(host: SimHost, file: SimFile): string {
  const { server, mount_point } = file.storage;
  return `${server?.host === host.plan.name ? server.path : mount_point}/${file.name}`;
}

export function deviceOn(host: SimHost, file: SimFile): string {
  return host.devices.get(file.storage.name) ?? ROOT_DEVICE;
}

/** The true label of the file that a host means by this name. */
export function labelOn(host: SimHost, file: SimFile): FileLabel {
  if (isShared(file.storage)) return file.label;
  return host.local_labels.get(file) ?? file.label;
}

/** The label as this host's cache shows it: on NFS possibly an old one. */
export function viewOf(host: SimHost, file: SimFile, now_us: number): FileLabel {
  if (!isShared(file.storage)) return labelOn(host, file);
  const cached = host.views.get(file);
  if (cached !== undefined && cached.until_us > now_us) return cached.label;
  const label = { ...file.label };
  const kept_us = file.storage.server?.host === host.plan.name ? 0 : file.storage.attribute_cache_ms * 1000;
  host.views.set(file, { label, until_us: now_us + kept_us });
  return label;
}

export interface LabelRequest {
  uid: number | null;
  gid: number | null;
  context: string | null;
}

/** Errno of the call (positive), 0 when it worked, and whether the label of the file really changed. */
export function setLabel(
  host: SimHost,
  file: SimFile,
  asked: LabelRequest,
): { errno: number; effective: boolean } {
  const remote = file.storage.server !== null && file.storage.server.host !== host.plan.name;
  if (asked.context !== null && !file.storage.labelled) return { errno: EOPNOTSUPP, effective: false };
  if (remote && file.storage.server?.root_squash) return { errno: EPERM, effective: false };
  const before = labelOn(host, file);
  const after = {
    uid: asked.uid ?? before.uid,
    gid: asked.gid ?? before.gid,
    mode: before.mode,
    context: asked.context ?? before.context,
  };
  if (isShared(file.storage)) file.label = after;
  else host.local_labels.set(file, after);
  const effective = after.uid !== before.uid || after.gid !== before.gid || after.context !== before.context;
  host.views.delete(file);
  return { errno: 0, effective };
}

const EPERM = 1;
const EOPNOTSUPP = 95;

/** Can a QEMU of these ids write the image? Root can, unless the server makes it nobody. */
export function mayWrite(needs: Needs, file: SimFile): boolean {
  if (needs.uid === 0) return file.storage.server?.root_squash !== true;
  return file.label.uid === needs.uid;
}
