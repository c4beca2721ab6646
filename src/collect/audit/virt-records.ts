import type {
  AssignedImage,
  GuestLabelAssigned,
  GuestName,
  GuestStarted,
  GuestStopped,
  ImageAssigned,
} from '../../events/event.js';
import type { UserRecord } from './user-record.js';

/** libvirt's VIRT_* records (conf/domain_audit.c), written after what they tell of. */

export type VirtControl =
  | { kind: 'GuestStarted'; body: GuestStarted }
  | { kind: 'GuestStopped'; body: GuestStopped };

/** VIRT_CONTROL; null for op=init, which containers have. */
export function virtControl(record: UserRecord, serial: number): VirtControl | null {
  const guest = guestOf(record);
  const operation = record.fields.get('op');
  if (guest === null || (operation !== 'start' && operation !== 'stop')) return null;
  const common = {
    serial,
    guest,
    reason: record.fields.get('reason') ?? 'unknown',
    success: record.fields.get('res') === 'success',
    daemon_pid: record.pid,
  };
  if (operation === 'stop') return { kind: 'GuestStopped', body: common };
  return { kind: 'GuestStarted', body: { ...common, qemu_pid: qemuPid(record.fields.get('vm-pid')) } };
}

/** VIRT_MACHINE_ID: one record for each security model of a guest. */
export function virtMachineId(record: UserRecord, serial: number): GuestLabelAssigned | null {
  const guest = guestOf(record);
  const model = record.fields.get('model');
  if (guest === null || model === undefined) return null;
  return {
    serial,
    source: 'audit',
    guest,
    model,
    process_label: record.fields.get('vm-ctx') ?? null,
    image_label: record.fields.get('img-ctx') ?? null,
  };
}

const ROLES: ReadonlyMap<string, AssignedImage['role']> = new Map([
  ['disk', 'disk'],
  ['kernel', 'kernel'],
  ['initrd', 'initrd'],
  ['dtb', 'dtb'],
  ['nvram', 'nvram'],
]);

/**
 * VIRT_RESOURCE of what a guest stores its data in. Only the top image of a chain is named. Null for everything else
 * (network, memory, cgroups) and for what failed.
 */
export function virtResource(record: UserRecord, serial: number): ImageAssigned | null {
  const guest = guestOf(record);
  const resource = record.fields.get('resrc');
  const role = resource === undefined ? undefined : ROLES.get(resource);
  if (guest === null || role === undefined || record.fields.get('res') !== 'success') return null;
  const reason = record.fields.get('reason') ?? 'unknown';
  const path = record.fields.get(`new-${resource}`);
  const image: AssignedImage | null =
    path === undefined
      ? null
      : {
          role: reason === 'mirror' ? 'mirror' : role,
          path,
          source: path.startsWith('/dev/') ? 'block' : path.startsWith('/') ? 'file' : 'other',
          target: null,
          read_only: false,
          shareable: false,
          relabel_dac: null,
          relabel_selinux: null,
        };
  return {
    serial,
    source: 'audit',
    guest,
    reason,
    complete: false,
    images: image === null ? [] : [image],
    replaces: record.fields.get(`old-${resource}`) ?? null,
  };
}

function guestOf(record: UserRecord): GuestName | null {
  const uuid = record.fields.get('uuid') ?? null;
  const name = record.fields.get('vm') ?? null;
  return uuid === null && name === null ? null : { uuid, name };
}

/** The kernel's pid_t. */
const MAX_PID = 0x7fff_ffff;

/** 0 and -1 stand for no process. */
function qemuPid(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return null;
  const pid = Number(text);
  return pid > 0 && pid <= MAX_PID ? pid : null;
}
