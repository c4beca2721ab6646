import type { ByteText } from '../../domain/byte-text.js';
import type { DaemonChanged, GapKind } from '../../events/event.js';
import { FieldCursor } from './field-cursor.js';
import { RecordType } from './record-type.js';
import type { TextCache } from './text-cache.js';
import type { UserRecord } from './user-record.js';
import { plainText } from './values.js';

/** Units whose coming and going changes what libvirt does with labels. */
const LABELLING_UNITS: ReadonlySet<string> = new Set(['libvirtd', 'virtqemud']);

/** SYSTEM_BOOT, which systemd writes once at each start of the machine. */
export const HOST_STARTED: DaemonChanged = { daemon: 'host', change: 'started' };

/** SERVICE_START and SERVICE_STOP, as systemd writes them. */
export function serviceChange(record: UserRecord, type: RecordType): DaemonChanged | null {
  const unit = record.fields.get('unit')?.replace(/\.service$/, '');
  if (unit === undefined || !LABELLING_UNITS.has(unit)) return null;
  if (record.fields.get('res') === 'failed') return { daemon: unit, change: 'failed' };
  return { daemon: unit, change: type === RecordType.SERVICE_START ? 'started' : 'stopped' };
}

/** DAEMON_START, DAEMON_END and DAEMON_ABORT: auditd about itself. */
export function auditdChange(fields: ReadonlyMap<string, ByteText>, type: RecordType): DaemonChanged {
  if (type === RecordType.DAEMON_ABORT || fields.get('res') === 'failed')
    return { daemon: 'auditd', change: 'failed' };
  return { daemon: 'auditd', change: type === RecordType.DAEMON_START ? 'started' : 'stopped' };
}

export interface ConfigurationGap {
  kind: Extract<GapKind, 'audit-disabled' | 'audit-rules-changed'>;
  /** where the hole lies, seen from the record */
  extent: 'from-here' | 'until-here' | 'here';
}

const RULE_OPERATIONS: ReadonlySet<string> = new Set(['add_rule', 'remove_rule', 'updated_rules']);
const LIMITS = ['audit_backlog_limit', 'audit_rate_limit', 'audit_backlog_wait_time'];

/** CONFIG_CHANGE: what the kernel logs was changed. Null when it was not, or does not matter. */
export function configurationGap(fields: ReadonlyMap<string, ByteText>): ConfigurationGap | null {
  if (fields.get('res') === '0') return null;
  const old = fields.get('old');
  const enabled = fields.get('audit_enabled');
  if (enabled !== undefined) {
    if (enabled === old) return null;
    if (enabled === '0') return { kind: 'audit-disabled', extent: 'from-here' };
    return old === '0' ? { kind: 'audit-disabled', extent: 'until-here' } : null;
  }
  const operation = fields.get('op');
  if (operation !== undefined && RULE_OPERATIONS.has(operation))
    return { kind: 'audit-rules-changed', extent: 'here' };
  const isLimit = LIMITS.some((name) => fields.has(name) && fields.get(name) !== old);
  return isLimit ? { kind: 'audit-rules-changed', extent: 'here' } : null;
}

/** All fields of a record that the kernel or auditd wrote; the first of equal names counts. */
export function readFields(
  bytes: Buffer,
  start: number,
  end: number,
  texts: TextCache,
): ReadonlyMap<string, ByteText> {
  const fields = new Map<string, ByteText>();
  const field = new FieldCursor();
  field.start(bytes, start, end);
  while (field.next()) {
    const name = texts.text(bytes, field.keyStart, field.keyEnd);
    const value = plainText(field, bytes, texts);
    if (value !== null && !fields.has(name)) fields.set(name, value);
  }
  return fields;
}
