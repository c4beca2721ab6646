import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import type { GuestStarted, GuestStopped } from '../../events/event.js';

/** Body of VIRT_CONTROL as libvirt logs it with audit_logging = 1 (viraudit.c: `success=yes|no BODY`). */
const CONTROL =
  /^success=(yes|no) virt=\S+ op=(start|stop) reason=(\S+) vm=(?:"(.*)"|([0-9A-F]+)) uuid=([0-9a-f-]{36})(?: vm-pid=(\d+))?$/s;

export type AuditMessage =
  | { kind: 'GuestStarted'; body: GuestStarted }
  | { kind: 'GuestStopped'; body: GuestStopped };

/**
 * The start or end of a guest, told by the daemon's own log. It says what the audit record says, and is there when
 * the kernel dropped that one.
 */
export function parseAuditMessage(message: ByteText): AuditMessage | null {
  const match = CONTROL.exec(message);
  if (!match) return null;
  const [, success, op, reason, quoted, hex, uuid, pid] = match;
  const name = quoted ?? byteTextFrom(Buffer.from(hex ?? '', 'hex'));
  const common = {
    serial: null,
    guest: { uuid: uuid as string, name },
    reason: reason as string,
    success: success === 'yes',
    daemon_pid: null,
  };
  if (op === 'stop') return { kind: 'GuestStopped', body: common };
  const qemuPid = pid === undefined || pid === '0' ? null : Number(pid);
  return { kind: 'GuestStarted', body: { ...common, qemu_pid: qemuPid } };
}
