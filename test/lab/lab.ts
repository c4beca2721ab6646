import type { LabFile, LabGuest } from './guest.js';
import { LIBVIRT_SPARES } from './mounts.js';
import { controlRecord, diskRecord, machineIdRecord } from './records.js';
import { LabWorld } from './world.js';

/** The lab of the golden captures, and what libvirt does there. */
export class Lab extends LabWorld {
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
      const labels = this.usesSelinux(host) && (this.labelled || file.storage === 'local');
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

  /** @param from `restored`: from a saved state */
  boot(guest: LabGuest, host: string, from: 'booted' | 'restored' = 'booted'): void {
    const machine = this.host(host);
    this.label(guest, host);
    this.wait(2500);
    this.disks(guest, host);
    machine.audit([controlRecord('start', from, guest, machine.newPid(), machine.daemon)]);
    guest.runsOn.add(host);
    guest.processOn.add(host);
    machine.monitor(guest.name, 'RESUME');
    this.wait(8);
    machine.lifecycle(guest.name, from === 'booted' ? 'Resumed Unpaused' : 'Started Restored');
    machine.lifecycle(guest.name, from === 'booted' ? 'Started Booted' : 'Resumed Snapshot');
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
}
