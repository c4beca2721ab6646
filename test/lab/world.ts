import { type BootFile, contextFor, type LabDisk, type LabFile, type LabGuest, suits } from './guest.js';
import { type HostOptions, LabHost } from './host.js';
import { IMAGES, mountsOf, type SharedStorage } from './mounts.js';
import type { Caller, RecordText, SeenFile } from './records.js';
import { domainXmlOf } from './snapshots.js';

const QEMU = 64055;
const BEGIN_MS = Date.parse('2026-11-23T03:00:00.000Z');

/** One relabel as it truly was. */
export interface TrueCall {
  host: string;
  serial: number;
  violation: boolean;
  /** who ran the guest that it hurt, or the first that uses the file */
  owner: string;
}

export interface LabOptions {
  hosts?: Record<string, HostOptions>;
  selinux?: HostOptions['selinux'];
  /** do SELinux labels of files travel over NFS */
  labelled?: boolean;
  /** shared file systems beside the lab's own, mounted on every host */
  storages?: SharedStorage[];
  /** qemu.conf of all hosts has dynamic_ownership = 0 */
  leavesOwners?: boolean;
}

/** The machines of the golden captures, hosta, hostb and the file server nfs1; files, guests, and the truth about calls. */
export class LabWorld {
  now = BEGIN_MS;
  readonly hosts = new Map<string, LabHost>();
  readonly guests: LabGuest[] = [];
  readonly calls: TrueCall[] = [];
  readonly migrations: string[] = [];
  readonly labelled: boolean;
  readonly leavesOwners: boolean;
  private draws = 0;
  private inodes = 90;

  constructor(
    {
      hosts = {},
      selinux = 'Disabled',
      labelled = selinux !== 'Disabled',
      storages = [],
      leavesOwners = false,
    }: LabOptions = {},
    variant: HostOptions & { hosts?: Record<string, HostOptions> } = {},
  ) {
    const { hosts: each = {}, ...all } = variant;
    this.labelled = labelled;
    this.leavesOwners = leavesOwners;
    const names = [
      'hosta',
      'hostb',
      ...Object.keys(hosts).filter((name) => !/^(hosta|hostb|nfs1)$/.test(name)),
    ];
    for (const [index, name] of names.entries()) {
      const mounts = mountsOf(name, index, storages);
      const options = {
        clock_ms: -250 * (index + 1),
        selinux,
        mounts,
        leavesOwners,
        ...hosts[name],
        ...all,
        ...each[name],
      };
      this.hosts.set(name, new LabHost(name, () => this.now, options));
    }
    this.hosts.set(
      'nfs1',
      new LabHost('nfs1', () => this.now, { server: true, selinux: 'Disabled', ...hosts['nfs1'] }),
    );
  }

  wait(ms: number): void {
    this.now += ms;
  }

  host(name: string): LabHost {
    return this.hosts.get(name) as LabHost;
  }

  file(name: string, options: Partial<LabFile> = {}): LabFile {
    this.inodes += 2;
    const context = this.labelled ? 'unconfined_u:object_r:virt_image_t:s0' : null;
    return { storage: 'nfs', name, inode: this.inodes, mode: 0o100600, uid: 0, gid: 0, context, ...options };
  }

  /** @param runsOn where it runs already when the record begins */
  guest(
    name: string,
    disks: (LabFile[] | LabDisk)[],
    runsOn: string | null = 'hosta',
    definedOn = runsOn ?? 'hosta',
    bootFiles: BootFile[] = [],
  ): LabGuest {
    const guest: LabGuest = {
      name,
      uuid: `7e570000-0000-4000-8000-0000000001${String(this.guests.length + 1).padStart(2, '0')}`,
      disks: disks.map((disk) =>
        Array.isArray(disk) ? { chain: disk, shareable: false, read_only: false } : disk,
      ),
      bootFiles,
      runsOn: new Set(runsOn === null ? [] : [runsOn]),
      labels: new Map(),
      definedOn: new Set([definedOn]),
      processOn: new Set(runsOn === null ? [] : [runsOn]),
    };
    this.guests.push(guest);
    if (runsOn !== null) {
      const labels = this.draw(guest, runsOn);
      for (const { file, context } of this.labelling(guest, labels.context))
        Object.assign(
          file,
          { uid: labels.uid, gid: labels.uid },
          this.labelled && context !== null ? { context } : {},
        );
    }
    return guest;
  }

  /** vm1 of the golden captures: an overlay on a base image. */
  vm1(runsOn: string | null = 'hosta'): LabGuest {
    return this.guest(
      'vm1',
      [[this.file('vm1.qcow2'), this.file('base.raw', { mode: 0o100644, inode: 18102 })]],
      runsOn,
    );
  }

  protected usesSelinux(host: string): boolean {
    return (this.host(host).options.selinux ?? 'Disabled') !== 'Disabled';
  }

  /** The label that a host gives the guest at a start. */
  draw(guest: LabGuest, host: string): { uid: number; context: string | null } {
    this.draws++;
    const categories = `c${(this.draws * 37) % 400},c${401 + ((this.draws * 91) % 600)}`;
    const context = this.usesSelinux(host) ? `system_u:object_r:svirt_image_t:s0:${categories}` : null;
    const labels = { uid: this.host(host).uid, context };
    guest.labels.set(host, labels);
    return labels;
  }

  protected labelling(guest: LabGuest, own: string | null): { file: LabFile; context: string | null }[] {
    const disks = guest.disks
      .filter(({ relabel }) => relabel !== false)
      .flatMap((disk) =>
        disk.chain.map((file, depth) => ({
          file,
          context: own === null ? null : contextFor(disk, depth, own),
        })),
      );
    return [...disks, ...guest.bootFiles.map(({ file }) => ({ file, context: own }))];
  }

  pathOn(host: string, file: LabFile): string {
    if (host === 'nfs1') return `/srv/images/${file.name}`;
    return file.storage === 'dev' ? `/dev/${file.name}` : `${IMAGES}/${file.storage}/${file.name}`;
  }

  protected fsTypeOf(host: string, file: LabFile): string | undefined {
    return this.host(host).options.mounts?.find(({ mount_point }) => mount_point.endsWith(`/${file.storage}`))
      ?.fs_type;
  }

  seen(host: string, file: LabFile, cached: Partial<SeenFile> = {}): SeenFile {
    const mount = this.host(host).options.mounts?.find(({ mount_point }) =>
      mount_point.endsWith(`/${file.storage}`),
    );
    const own = file.storage === 'dev' ? '0:5' : '254:0';
    return { ...file, name: this.pathOn(host, file), dev: mount?.dev ?? own, ...cached };
  }

  private note(
    host: string,
    serial: number,
    file: LabFile,
    harms: (guest: LabGuest, owner: string) => boolean,
    effective: boolean,
  ): void {
    const users = this.guests.filter(
      (guest) =>
        guest.disks.some(({ chain }) => chain.includes(file)) ||
        guest.bootFiles.some((each) => each.file === file),
    );
    const shared = file.storage !== 'local' && file.storage !== 'dev';
    const harmed = users.flatMap((guest) =>
      [...guest.runsOn].filter((owner) => owner !== host && shared && effective && harms(guest, owner)),
    );
    const owner = harmed[0] ?? users.flatMap((guest) => [...guest.runsOn])[0] ?? 'none';
    this.calls.push({ host, serial, violation: harmed.length > 0, owner });
  }

  chown(
    host: string,
    file: LabFile,
    uid: number,
    options: { by?: Caller; exit?: number; cached?: Partial<SeenFile>; below?: string } = {},
  ): number {
    const { by = this.host(host).child(), exit = 0, cached = {}, below } = options;
    const before = this.seen(host, file, cached);
    const serial =
      below === undefined
        ? this.host(host).chown(before, uid, uid, by, exit)
        : this.host(host).chownBelow(before, uid, uid, by, below);
    const effective = exit === 0 && (file.uid !== uid || file.gid !== uid);
    this.note(host, serial, file, (guest, owner) => guest.labels.get(owner)?.uid !== uid, effective);
    if (exit === 0) Object.assign(file, { uid, gid: uid });
    return serial;
  }

  setfilecon(
    host: string,
    file: LabFile,
    context: string,
    options: { by?: Caller; exit?: number; withAvc?: boolean } = {},
  ): number {
    const { by = this.host(host).child(), exit = 0, withAvc = exit === 0 } = options;
    const before = this.seen(
      host,
      file,
      this.labelled || file.storage === 'local' ? {} : { context: 'system_u:object_r:nfs_t:s0' },
    );
    const serial = this.host(host).setfilecon(before, context, by, exit, withAvc);
    const effective = exit === 0 && file.context !== context;
    this.note(host, serial, file, (guest, owner) => !suits(guest, owner, file, context), effective);
    if (exit === 0) file.context = context;
    return serial;
  }

  /** A call of another shape that gives the file to root, or another context. */
  calledBy(
    host: string,
    file: LabFile,
    by: Caller,
    records: (file: SeenFile, by: Caller) => RecordText[],
    context: string | null = null,
  ): void {
    const serial = this.host(host).audit(records(this.seen(host, file), by));
    this.note(
      host,
      serial,
      file,
      (guest, owner) =>
        context === null ? guest.labels.get(owner)?.uid !== 0 : !suits(guest, owner, file, context),
      context === null ? file.uid !== 0 : file.context !== context,
    );
    Object.assign(file, context === null ? { uid: 0, gid: 0 } : { context });
  }

  /** Every write of the guest is refused, once a second, as long as told. */
  ioErrors(guest: LabGuest, host: string, count: number): void {
    const machine = this.host(host);
    const path = this.pathOn(host, guest.disks[0]?.chain[0] as LabFile);
    for (let i = 0; i < count; i++) {
      this.wait(i === 0 ? 500 : 1000);
      machine.monitor(
        guest.name,
        'BLOCK_IO_ERROR',
        '{"device":"","nospace":false,"node-name":"libvirt-1-format","qom-path":"/machine/peripheral/virtio-disk0/virtio-backend","reason":"Permission denied","operation":"write","action":"report"}',
      );
      machine.virsh(guest.name, 'io-error', `${path} (virtio-disk0) report`);
      machine.virsh(guest.name, 'io-error', `${path} (virtio-disk0) report due to message`);
    }
  }

  /** The capture: what was logged, and what was looked up at its end. */
  capture(): Record<string, string> {
    this.wait(3000);
    const tree: Record<string, string> = {};
    for (const [name, host] of this.hosts) {
      for (const [log, lines] of host.logs)
        tree[`${name}/${log}`] = lines.map((line) => `${line}\n`).join('');
      for (const [file, text] of Object.entries(host.snapshots())) tree[`${name}/${file}`] = text;
      const [t0, t1] = [BEGIN_MS - 1500, this.now].map(
        (ms) => `${(ms + (host.options.clock_ms ?? 0)) / 1000}\n`,
      );
      Object.assign(tree, { [`${name}/t0`]: t0, [`${name}/t1`]: t1 });
      for (const guest of host.options.server ? [] : this.guests)
        Object.assign(tree, this.domainFiles(guest, name));
    }
    return tree;
  }

  private domainFiles(guest: LabGuest, host: string): Record<string, string> {
    if (!guest.definedOn.has(host) && !guest.processOn.has(host)) return {};
    const runs = guest.runsOn.has(host);
    const process = guest.processOn.has(host);
    const disks = guest.disks.map(({ chain, shareable, read_only, relabel = true }) => ({
      chain: chain.map((file) => this.pathOn(host, file)),
      shareable,
      read_only,
      relabel,
    }));
    const boot = guest.bootFiles.map(({ role, file }) => ({ role, path: this.pathOn(host, file) }));
    const labels = guest.labels.get(host) ?? { uid: QEMU, context: null };
    return {
      [`${host}/domain-${guest.name}.xml`]: domainXmlOf(guest, process ? 2 : null, { disks, boot }, labels),
      [`${host}/domstate-${guest.name}`]: `${runs ? 'running (booted)' : process ? 'paused (post-copy failed)' : 'shut off (destroyed)'}\n\n`,
    };
  }
}
