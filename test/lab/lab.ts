import { type BootFile, contextFor, type LabDisk, type LabFile, type LabGuest, suits } from './guest.js';
import { type HostOptions, LabHost } from './host.js';
import { IMAGES, LIBVIRT_SPARES, mountsOf, type SharedStorage } from './mounts.js';
import {
  type Caller,
  controlRecord,
  diskRecord,
  machineIdRecord,
  type RecordText,
  type SeenFile,
} from './records.js';
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

/** The lab of the golden captures: hosta, hostb, the file server nfs1, and what happens there. */
export class Lab {
  now = BEGIN_MS;
  readonly hosts = new Map<string, LabHost>();
  readonly guests: LabGuest[] = [];
  readonly calls: TrueCall[] = [];
  readonly migrations: string[] = [];
  readonly labelled: boolean;
  readonly leavesOwners: boolean;
  private readonly selinux: NonNullable<HostOptions['selinux']>;
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
    this.selinux = selinux;
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

  /** The label that a host gives the guest at a start. */
  draw(guest: LabGuest, host: string): { uid: number; context: string | null } {
    this.draws++;
    const categories = `c${(this.draws * 37) % 400},c${401 + ((this.draws * 91) % 600)}`;
    const context = this.selinux === 'Disabled' ? null : `system_u:object_r:svirt_image_t:s0:${categories}`;
    const labels = { uid: this.host(host).uid, context };
    guest.labels.set(host, labels);
    return labels;
  }

  private labelling(guest: LabGuest, own: string | null): { file: LabFile; context: string | null }[] {
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

  private fsTypeOf(host: string, file: LabFile): string | undefined {
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

  /** SELinux labels of the whole chain first, then owners; one child each. */
  private label(guest: LabGuest, host: string): void {
    const labels = this.draw(guest, host);
    const machine = this.host(host);
    const { daemon } = machine;
    if (labels.context !== null) {
      const process = labels.context.replace('object_r:svirt_image_t', 'system_r:svirt_t');
      machine.audit([machineIdRecord('selinux', process, labels.context, guest, daemon)]);
    }
    machine.audit([
      machineIdRecord('dac', `+${labels.uid}:+${labels.uid}`, `+${labels.uid}:+${labels.uid}`, guest, daemon),
    ]);
    this.wait(2400);
    const bySelinux = machine.child();
    if (labels.context !== null) {
      for (const { file, context } of this.labelling(guest, labels.context)) {
        const unsupported = file.storage !== 'local' && !this.labelled;
        this.setfilecon(host, file, context as string, { by: bySelinux, exit: unsupported ? -95 : 0 });
      }
      this.wait(100);
    }
    if (this.leavesOwners) return;
    const byDac = machine.child();
    for (const { file } of this.labelling(guest, null)) {
      machine.journal(
        byDac.pid,
        'info',
        `virSecurityDACSetOwnership:794 : Setting DAC user and group on '${this.pathOn(host, file)}' to '${labels.uid}:${labels.uid}'`,
      );
      if (file.uid !== labels.uid) this.chown(host, file, labels.uid, { by: byDac });
    }
  }

  /** @param migrated libvirt's flag that spares shared storage that it knows */
  restore(guest: LabGuest, host: string, migrated: boolean, comm?: string): void {
    const machine = this.host(host);
    const by = machine.child(comm);
    machine.daemonLog(
      by.ppid,
      'debug',
      `virSecurityDACRestoreAllLabel:1954 : Restoring security label on ${guest.name} migrated=${migrated ? 1 : 0}`,
    );
    const tops = guest.disks
      .filter((disk) => !disk.shareable && !disk.read_only && disk.relabel !== false)
      .map(({ chain: [file] }) => ({ role: 'disk', file: file as LabFile }));
    for (const { role, file } of [...tops, ...guest.bootFiles]) {
      // kernel and initrd are restored whatever became of the guest
      const isSpared = role === 'disk' || role === 'nvram';
      if (migrated && isSpared && LIBVIRT_SPARES.test(this.fsTypeOf(host, file) ?? '')) {
        machine.daemonLog(
          by.ppid,
          'debug',
          `virSecurityDACRestoreImageLabelInt:1500 : Skipping image label restore on ${this.pathOn(host, file)} because FS is shared`,
        );
        continue;
      }
      const labels = this.selinux !== 'Disabled' && (this.labelled || file.storage === 'local');
      if (labels) this.setfilecon(host, file, 'system_u:object_r:virt_image_t:s0', { by });
      if (this.leavesOwners) continue;
      machine.journal(
        by.pid,
        'info',
        `virSecurityDACRestoreFileLabelInternal:857 : Restoring DAC user and group on '${this.pathOn(host, file)}' to 0:0`,
      );
      if (file.uid !== 0) this.chown(host, file, 0, { by });
    }
  }

  private disks(guest: LabGuest, host: string): void {
    const machine = this.host(host);
    for (const { chain } of guest.disks)
      machine.audit([
        diskRecord('start', guest, null, this.pathOn(host, chain[0] as LabFile), machine.daemon),
      ]);
  }

  boot(guest: LabGuest, host: string): void {
    const machine = this.host(host);
    this.label(guest, host);
    this.wait(2500);
    this.disks(guest, host);
    machine.audit([controlRecord('start', 'booted', guest, machine.newPid(), machine.daemon)]);
    guest.runsOn.add(host);
    guest.processOn.add(host);
    machine.monitor(guest.name, 'RESUME');
    this.wait(8);
    machine.lifecycle(guest.name, 'Resumed Unpaused');
    machine.lifecycle(guest.name, 'Started Booted');
  }

  /** A plain start whose QEMU dies: libvirt restores as if no migration were under way. */
  bootFails(guest: LabGuest, host: string): void {
    const machine = this.host(host);
    this.label(guest, host);
    this.wait(2000);
    this.restore(guest, host, false);
    this.wait(200);
    this.disks(guest, host);
    machine.audit([controlRecord('start', 'booted', guest, 0, machine.daemon, false)]);
    machine.virsh(guest.name, 'control-error');
  }

  /** @param reason of op=stop; `destroyed` and `shutdown` restore everything */
  stop(guest: LabGuest, host: string, reason: string, comm?: string): void {
    const machine = this.host(host);
    this.wait(40);
    machine.lifecycle(guest.name, 'Shutdown Finished after host request');
    this.wait(60);
    this.restore(guest, host, reason === 'migrated', comm);
    guest.runsOn.delete(host);
    guest.processOn.delete(host);
    this.wait(90);
    machine.audit([controlRecord('stop', reason, guest, 0, machine.daemon)]);
    this.wait(20);
    machine.lifecycle(guest.name, `Stopped ${reason[0]?.toUpperCase()}${reason.slice(1)}`);
  }

  /** The destination prepares: labels, QEMU, op=start. */
  incoming(guest: LabGuest, host: string): void {
    const machine = this.host(host);
    this.label(guest, host);
    this.wait(4000);
    machine.migration(guest.name, 'setup');
    this.disks(guest, host);
    machine.audit([controlRecord('start', 'migrated', guest, machine.newPid(), machine.daemon)]);
    guest.processOn.add(host);
    this.wait(20);
    machine.lifecycle(guest.name, 'Started Migrated');
    this.wait(300);
    machine.migration(guest.name, 'active');
  }

  /** The destination's QEMU fails to start: recorded before the labels are restored. */
  incomingFails(guest: LabGuest, from: string, host: string): void {
    const machine = this.host(host);
    this.label(guest, host);
    this.wait(2000);
    machine.virsh(guest.name, 'control-error');
    this.disks(guest, host);
    machine.audit([controlRecord('start', 'migrated', guest, machine.newPid(), machine.daemon, false)]);
    this.wait(200);
    this.restore(guest, host, true);
    this.migrations.push(`${from} -> ${host}: failed`);
  }

  copy(guest: LabGuest, from: string): void {
    const machine = this.host(from);
    machine.migration(guest.name, 'setup');
    this.wait(40);
    machine.migration(guest.name, 'active');
    machine.virsh(guest.name, 'migration-iteration', "iteration: '1'");
    this.wait(1400);
  }

  pauseForSwitchOver(guest: LabGuest, from: string): void {
    const machine = this.host(from);
    machine.monitor(guest.name, 'STOP');
    this.wait(6);
    machine.lifecycle(guest.name, 'Suspended Migrated');
    machine.migration(guest.name, 'pre-switchover');
    this.wait(40);
    machine.migration(guest.name, 'device');
    this.wait(100);
  }

  takeOver(guest: LabGuest, from: string, to: string): void {
    const machine = this.host(to);
    machine.migration(guest.name, 'completed');
    this.wait(100);
    machine.lifecycle(guest.name, 'Defined Added');
    guest.definedOn.add(to);
    this.wait(300);
    guest.runsOn.delete(from);
    guest.runsOn.add(to);
    machine.monitor(guest.name, 'RESUME');
    this.wait(24);
    machine.lifecycle(guest.name, 'Resumed Migrated');
  }

  /** The source learns of it and clears away. */
  confirm(guest: LabGuest, from: string, to: string): void {
    this.host(from).migration(guest.name, 'completed');
    this.wait(300);
    this.stop(guest, from, 'migrated');
    this.host(from).jobCompleted(guest.name);
    guest.definedOn.delete(from);
    this.migrations.push(`${from} -> ${to}: succeeded`);
  }

  migrate(guest: LabGuest, from: string, to: string): void {
    this.incoming(guest, to);
    this.copy(guest, from);
    this.pauseForSwitchOver(guest, from);
    this.takeOver(guest, from, to);
    this.confirm(guest, from, to);
  }

  /** An incoming guest that never ran is cleared away. */
  abandon(guest: LabGuest, from: string, to: string, reason = 'failed'): void {
    this.stopIncoming(guest, to, reason);
    this.migrations.push(`${from} -> ${to}: failed`);
  }

  stopIncoming(guest: LabGuest, to: string, reason: string): void {
    const machine = this.host(to);
    guest.processOn.delete(to);
    this.wait(100);
    this.restore(guest, to, true);
    machine.audit([controlRecord('stop', reason, guest, 0, machine.daemon)]);
    this.wait(20);
    machine.lifecycle(guest.name, `Stopped ${reason[0]?.toUpperCase()}${reason.slice(1)}`);
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
