import {
  type Caller,
  cwdRecord,
  pathRecord,
  proctitleRecord,
  type RecordText,
  relabelAvcRecords,
  type SeenFile,
  serviceRecord,
  syscallRecord,
} from './records.js';
import { capabilitiesOf, type MountPlan, mountinfoOf, qemuConfOf } from './snapshots.js';

export interface HostOptions {
  /** clock against the true time, ms */
  clock_ms?: number;
  /** user and group of qemu.conf */
  uid?: number;
  node?: string;
  enriched?: boolean;
  daemon?: 'libvirtd' | 'virtqemud';
  mounts?: MountPlan[];
  server?: boolean;
  selinux?: 'Enforcing' | 'Permissive' | 'Disabled';
  /** what `auditctl -s` says was lost */
  lost?: number;
  virt_use_nfs?: boolean;
  leavesOwners?: boolean;
}

/** One machine: it writes the lines that its daemons write, on its own clock, with its own serials and pids. */
export class LabHost {
  readonly name: string;
  readonly options: HostOptions;
  /** lines of each log */
  readonly logs = new Map<string, string[]>();
  readonly daemon: Caller;
  private serial: number;
  private nextPid = 2400;
  private readonly now: () => number;
  /** the listeners of virsh are connected */
  connected = true;

  constructor(name: string, now: () => number, options: HostOptions) {
    this.name = name;
    this.now = now;
    this.options = options;
    this.serial = 900 + name.length * 130 + (name.charCodeAt(name.length - 1) % 7) * 310;
    const exe = `/usr/sbin/${options.daemon ?? 'libvirtd'}`;
    this.daemon = {
      exe,
      comm: `rpc-${options.daemon ?? 'libvirtd'}`,
      pid: 1664,
      ppid: 1,
      subject: this.subject('virtd_t'),
    };
    for (const log of ['audit.log', ...(options.server ? [] : ['virsh-event.log', 'qemu-monitor-event.log'])])
      this.logs.set(log, []);
  }

  private subject(type: string): string {
    return (this.options.selinux ?? 'Disabled') === 'Disabled'
      ? 'unconfined'
      : `system_u:system_r:${type}:s0`;
  }

  get uid(): number {
    return this.options.uid ?? 64055;
  }

  newPid(): number {
    this.nextPid += 3;
    return this.nextPid;
  }

  /** A child that libvirtd forks for one transaction of labels. */
  child(comm = this.daemon.comm): Caller {
    return { ...this.daemon, comm: comm.slice(0, 15), pid: this.newPid(), ppid: this.daemon.pid };
  }

  /** A command that an admin typed over ssh. */
  command(exe: string): Caller {
    return {
      exe,
      comm: exe.slice(exe.lastIndexOf('/') + 1),
      pid: this.newPid(),
      ppid: 446,
      auid: 0,
      subject: this.subject('unconfined_t'),
    };
  }

  private clock(): number {
    return this.now() + (this.options.clock_ms ?? 0);
  }

  private stamp(): string {
    return new Date(this.clock()).toISOString().replace('T', ' ').replace('Z', '+0000');
  }

  add(log: string, line: string): void {
    const lines = this.logs.get(log) ?? [];
    lines.push(line);
    this.logs.set(log, lines);
  }

  /** @returns the serial */
  audit(records: readonly RecordText[]): number {
    const serial = this.serial++;
    const ms = Math.floor(this.clock() / 4) * 4;
    const at = `${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}`;
    for (const { type, text, enriched } of records) {
      const node = this.options.node === undefined ? '' : `node=${this.options.node} `;
      const extra = this.options.enriched && enriched !== '' ? `\x1d${enriched}` : '';
      this.add('audit.log', `${node}type=${type} msg=audit(${at}:${serial}): ${text}${extra}`);
    }
    return serial;
  }

  virsh(guest: string, event: string, detail?: string): void {
    if (!this.connected) return;
    const text = detail === undefined ? '' : `: ${detail}`;
    this.add('virsh-event.log', `${this.stamp()}: event '${event}' for domain '${guest}'${text}`);
  }

  /** The one event that goes on in lines of its own. */
  jobCompleted(guest: string): void {
    if (!this.connected) return;
    this.add('virsh-event.log', `${this.stamp()}: event 'job-completed' for domain '${guest}':`);
    for (const field of ['operation: 5', 'time_elapsed: 13297', 'disk_remaining: 0'])
      this.add('virsh-event.log', `\t${field}`);
  }

  lifecycle(guest: string, detail: string): void {
    this.virsh(guest, 'lifecycle', detail);
  }

  monitor(guest: string, event: string, data = '<null>'): void {
    if (!this.connected) return;
    this.add('qemu-monitor-event.log', `${this.stamp()}: event ${event} for domain '${guest}': ${data}`);
  }

  migration(guest: string, status: string): void {
    this.monitor(guest, 'MIGRATION', `{"status":"${status}"}`);
  }

  daemonLog(thread: number, level: string, text: string): void {
    this.add('libvirtd.log', `${this.stamp()}: ${thread}: ${level} : ${text}`);
  }

  /** What a forked child says goes to the journal. */
  journal(pid: number, level: string, text: string): void {
    const at = new Date(this.clock()).toISOString().replace('Z', '000+00:00');
    const unit = this.options.daemon ?? 'libvirtd';
    this.add(
      `${unit}-journal.log`,
      `${at} ${this.name} ${unit}[${pid}]: ${this.stamp()}: ${pid}: ${level} : ${text}`,
    );
  }

  chown(file: SeenFile, uid: number, gid: number, caller: Caller, exit = 0): number {
    const isShell = caller.auid !== undefined;
    const syscall = isShell
      ? syscallRecord(
          'fchownat',
          ['ffffff9c', '5647bcc78f00', uid.toString(16), gid.toString(16)],
          exit,
          caller,
          1,
        )
      : syscallRecord('chown', ['7f9578029cc0', uid.toString(16), gid.toString(16), '0'], exit, caller, 1);
    return this.audit([
      syscall,
      cwdRecord(isShell ? '/root' : '/'),
      pathRecord(file),
      proctitleRecord(caller.exe),
    ]);
  }

  /** `chown -R`: a name below a descriptor of which nothing is recorded. */
  chownBelow(file: SeenFile, uid: number, gid: number, caller: Caller, cwd: string): number {
    const relative = { ...file, name: file.name.slice(file.name.lastIndexOf('/') + 1) };
    return this.audit([
      syscallRecord('fchownat', ['4', '561ee6d86d50', uid.toString(16), gid.toString(16)], 0, caller, 1),
      cwdRecord(cwd),
      pathRecord(relative),
      proctitleRecord(caller.exe),
    ]);
  }

  setfilecon(file: SeenFile, context: string, caller: Caller, exit = 0, withAvc = true): number {
    const size = (context.length + 1).toString(16);
    const call = caller.auid === undefined ? 'setxattr' : 'lsetxattr';
    return this.audit([
      ...(withAvc ? relabelAvcRecords(caller, file, file.context ?? '', context) : []),
      syscallRecord(call, ['7ff450037200', '7ff4594738be', '7ff4500374e0', size], exit, caller, 1),
      cwdRecord('/'),
      pathRecord(file),
      proctitleRecord(caller.exe),
    ]);
  }

  /** The daemon goes away, and the listeners of virsh with it. */
  daemonGone(how: 'killed' | 'stopped'): void {
    const unit = this.options.daemon ?? 'libvirtd';
    this.audit([serviceRecord('STOP', unit, how === 'stopped')]);
    for (const log of ['virsh-event.log', 'qemu-monitor-event.log']) {
      const lines = this.logs.get(log) as string[];
      lines.push(`events received: ${lines.length}`, '');
    }
    this.connected = false;
  }

  /** A new daemon, with a new pid; the listeners come back a little later (`connected`). */
  daemonBack(): void {
    this.daemon.pid = this.newPid();
    this.audit([serviceRecord('START', this.options.daemon ?? 'libvirtd', true)]);
  }

  /** Power comes back after it failed: nothing was stopped, serials and pids begin anew. */
  boots(): void {
    this.serial = 4;
    this.nextPid = 600;
    this.daemon.pid = 1664;
    this.connected = false;
    const daemonSerial = this.serial;
    this.serial = 7013;
    this.audit([
      {
        type: 'DAEMON_START',
        text: 'op=start ver=4.0.2 format=raw kernel=6.12.107 auid=4294967295 pid=374 uid=0 ses=4294967295 subj=unconfined res=success',
        enriched: 'AUID="unset" UID="root"',
      },
    ]);
    this.serial = daemonSerial;
    this.audit([
      {
        type: 'SYSTEM_BOOT',
        text: `pid=402 uid=0 auid=4294967295 ses=4294967295 subj=unconfined msg=' comm="systemd-update-utmp" exe="/usr/lib/systemd/systemd-update-utmp" hostname=? addr=? terminal=? res=success'`,
        enriched: 'UID="root" AUID="unset"',
      },
    ]);
    this.audit([serviceRecord('START', this.options.daemon ?? 'libvirtd', true)]);
  }

  snapshots(): Record<string, string> {
    const { server, selinux = 'Disabled', lost = 0 } = this.options;
    const audit = (count: number) =>
      `enabled 1\nfailure 1\npid 374\nrate_limit 0\nbacklog_limit 8192\nlost ${count}\nbacklog 0\n`;
    return {
      hostname: `${this.name}\n`,
      mountinfo: mountinfoOf(this.options.mounts ?? []),
      'auditctl-s': audit(lost),
      'auditctl-s.before': audit(0),
      lsm: `${selinux}\n${selinux === 'Disabled' ? '' : `virt_use_nfs --> ${this.options.virt_use_nfs ? 'on' : 'off'}\n`}lockdown,capability,selinux\n`,
      'auditd.conf': `log_format = ${this.options.enriched ? 'ENRICHED' : 'RAW'}\n`,
      exports: server
        ? '/srv/images 10.77.0.0/24(rw,fsid=1,sync,no_subtree_check,no_root_squash)\n/srv/squash 10.77.0.0/24(rw,fsid=2,sync,no_subtree_check,root_squash)\n'
        : '# /etc/exports\n',
      ...(server
        ? {}
        : {
            'qemu.conf': qemuConfOf(this.uid, this.options.leavesOwners),
            'capabilities.xml': capabilitiesOf(this.uid, selinux !== 'Disabled'),
            'id-libvirt-qemu':
              'uid=64055(libvirt-qemu) gid=64055(libvirt-qemu) groups=64055(libvirt-qemu),993(kvm)\n',
            'virsh-version': 'Compiled against library: libvirt 11.3.0\nUsing library: libvirt 11.3.0\n',
          }),
    };
  }
}
