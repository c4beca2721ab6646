import type { ByteText } from '../domain/byte-text.js';
import type { Event } from '../events/event.js';
import type { Stage } from './stage.js';
import { auditText, userRecord } from './witness.js';
import { type Incarnation, pathOn, type SimFile, type SimHost } from './world.js';

/** The records and lines of libvirt and QEMU, one function each. */

export const DAEMON = '/usr/sbin/libvirtd';

function virtRecord(host: SimHost, message: string, success: boolean): string {
  return userRecord(host.daemon_pid, DAEMON, `virt=kvm ${message}`, success, subjectOf(host));
}

export function subjectOf(host: SimHost): string {
  return host.plan.selinux === 'disabled' ? 'unconfined' : 'system_u:system_r:virtd_t:s0';
}

/** One record a security model, SELinux before DAC, before any file is touched. */
export function recordMachineIds(stage: Stage, incarnation: Incarnation): void {
  const { guest, host, needs, name, process_context } = incarnation;
  const owner = `+${needs.uid}:+${needs.gid}`;
  const models: [string, string, string][] = [['dac', owner, owner]];
  if (process_context !== null) models.unshift(['selinux', process_context, needs.context as string]);
  for (const [model, process_label, image_label] of models) {
    const message = `vm=${auditText(name)} uuid=${guest.uuid} vm-ctx=${process_label} img-ctx=${image_label} model=${model}`;
    if (host.plan.streams.includes('audit')) incarnation.labels_stated = true;
    stage.log.audit(
      host,
      [['VIRT_MACHINE_ID', virtRecord(host, message, true)]],
      'GuestLabelAssigned',
      (serial) => ({
        serial,
        source: 'audit',
        guest: { uuid: guest.uuid, name },
        model,
        process_label,
        image_label,
      }),
    );
  }
}

export function recordDisk(
  stage: Stage,
  incarnation: Incarnation,
  reason: 'start' | 'attach' | 'detach' | 'snapshot',
  old_file: SimFile | null,
  new_file: SimFile | null,
): void {
  const { guest, host, name } = incarnation;
  const text = (file: SimFile | null) => (file === null ? '"?"' : auditText(pathOn(host, file)));
  const message = `resrc=disk reason=${reason} vm=${auditText(name)} uuid=${guest.uuid} old-disk=${text(old_file)} new-disk=${text(new_file)}`;
  stage.log.audit(host, [['VIRT_RESOURCE', virtRecord(host, message, true)]], 'ImageAssigned', (serial) => ({
    serial,
    source: 'audit',
    guest: { uuid: guest.uuid, name },
    reason,
    complete: false,
    images:
      new_file === null
        ? []
        : [
            {
              role: 'disk',
              path: pathOn(host, new_file),
              source: 'file',
              target: null,
              read_only: false,
              shareable: false,
              relabel_dac: null,
              relabel_selinux: null,
            },
          ],
    replaces: old_file === null ? null : pathOn(host, old_file),
  }));
  if (new_file !== null && host.plan.streams.includes('audit')) guest.listed_files.add(new_file);
}

export function recordStart(stage: Stage, incarnation: Incarnation, reason: string, success: boolean): void {
  const { guest, host, name, qemu_pid } = incarnation;
  const message = `op=start reason=${reason} vm=${auditText(name)} uuid=${guest.uuid} vm-pid=${qemu_pid}`;
  stage.log.audit(host, [['VIRT_CONTROL', virtRecord(host, message, success)]], 'GuestStarted', (serial) => ({
    serial,
    guest: { uuid: guest.uuid, name },
    reason,
    success,
    qemu_pid,
    daemon_pid: host.daemon_pid,
  }));
}

export function recordStop(stage: Stage, incarnation: Incarnation, reason: string): void {
  const { guest, host, name } = incarnation;
  const message = `op=stop reason=${reason} vm=${auditText(name)} uuid=${guest.uuid} vm-pid=0`;
  stage.log.audit(host, [['VIRT_CONTROL', virtRecord(host, message, true)]], 'GuestStopped', (serial) => ({
    serial,
    guest: { uuid: guest.uuid, name },
    reason,
    success: true,
    daemon_pid: host.daemon_pid,
  }));
}

/** systemd's record about its service. */
export function recordDaemon(stage: Stage, host: SimHost, change: 'started' | 'stopped' | 'failed'): void {
  const message = 'unit=libvirtd comm="systemd"';
  const type = change === 'started' ? 'SERVICE_START' : 'SERVICE_STOP';
  const body = userRecord(1, '/usr/lib/systemd/systemd', message, change !== 'failed', subjectOf(host));
  stage.log.audit(host, [[type, body]], 'DaemonChanged', () => ({ daemon: 'libvirtd', change }));
}

export function sayLifecycle(
  stage: Stage,
  host: SimHost,
  name: ByteText,
  event: string,
  detail: string,
): void {
  stage.log.virsh(host, `event 'lifecycle' for domain '${name}': ${event} ${detail}`, 'LifecycleChanged', {
    guest: { uuid: null, name },
    event,
    detail,
  });
}

export function sayDomainEvent(
  stage: Stage,
  host: SimHost,
  name: ByteText,
  event: string,
  detail: string,
): void {
  const line = `event '${event}' for domain '${name}'${detail === '' ? '' : `: ${detail}`}`;
  stage.log.virsh(host, line, 'DomainEventSeen', { guest: { uuid: null, name }, event, detail });
}

export function sayJobCompleted(stage: Stage, host: SimHost, name: ByteText, operation: number): void {
  const detail = `\toperation: ${operation}\n\ttime_elapsed: 6561`;
  stage.log.virsh(host, `event 'job-completed' for domain '${name}':\n${detail}`, 'DomainEventSeen', {
    guest: { uuid: null, name },
    event: 'job-completed',
    detail,
  });
}

export function sayStop(stage: Stage, host: SimHost, name: ByteText): void {
  stage.log.monitor(host, `event STOP for domain '${name}': <null>`, 'VcpusStopped', {
    guest: { uuid: null, name },
  });
}

export function sayResume(stage: Stage, host: SimHost, name: ByteText): void {
  stage.log.monitor(host, `event RESUME for domain '${name}': <null>`, 'VcpusResumed', {
    guest: { uuid: null, name },
  });
}

export function sayMigration(stage: Stage, host: SimHost, name: ByteText, status: string): void {
  stage.log.monitor(
    host,
    `event MIGRATION for domain '${name}': {"status":"${status}"}`,
    'MigrationStatusChanged',
    {
      guest: { uuid: null, name },
      status,
    },
  );
}

/** What the guest's failed write leaves: QEMU's line, and libvirt's two. */
export function sayIoError(stage: Stage, incarnation: Incarnation, file: SimFile): Event[] {
  const { host, name } = incarnation;
  const guest = { uuid: null, name };
  const path = pathOn(host, file);
  const qom = '/machine/peripheral/virtio-disk0/virtio-backend';
  const data = `{"device":"","nospace":false,"node-name":"libvirt-1-format","qom-path":"${qom}","reason":"Permission denied","operation":"write","action":"report"}`;
  const lines = [
    stage.log.monitor(host, `event BLOCK_IO_ERROR for domain '${name}': ${data}`, 'GuestIoError', {
      guest,
      path: null,
      device: qom,
      node_name: 'libvirt-1-format',
      operation: 'write',
      action: 'report',
      reason: 'Permission denied',
    }),
    ...[null, 'message'].map((reason) =>
      stage.log.virsh(
        host,
        `event 'io-error' for domain '${name}': ${path} (virtio-disk0) report${reason === null ? '' : ` due to ${reason}`}`,
        'GuestIoError',
        { guest, path, device: 'virtio-disk0', node_name: null, operation: null, action: 'report', reason },
      ),
    ),
  ];
  return lines.filter((event) => event !== null);
}
