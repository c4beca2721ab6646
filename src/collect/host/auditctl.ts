import type { ByteText } from '../../domain/byte-text.js';
import type { ReadFacts } from './snapshot.js';
import { linesOf } from './text.js';

/** The kernel counts in 32 bits (struct audit_status). */
const LARGEST_STATUS = 0xffff_ffff;

/**
 * `auditctl -s`: `enabled 1`, `lost 0` … one a line, or in old versions all on one line as `enabled=1 lost=0`.
 * `lost` counts since boot, or since somebody reset it.
 */
export function readAuditStatus(bytes: Buffer): ReadFacts {
  const values = new Map<string, number>();
  const unread: ByteText[] = [];
  for (const line of linesOf(bytes)) {
    const settings = line.startsWith('AUDIT_STATUS:') ? line.split(' ').slice(1) : [line];
    for (const setting of settings) {
      const match = /^([a-z_]+)[ =](0x[0-9a-f]+|-?\d+)(?: .*)?$/.exec(setting);
      const value = Number(match?.[2]);
      if (match && Math.abs(value) <= LARGEST_STATUS) values.set(match[1] as string, value);
      else unread.push(setting);
    }
  }
  const [enabled, lost, backlog, rate] = ['enabled', 'lost', 'backlog_limit', 'rate_limit'].map((name) =>
    values.get(name),
  );
  if (enabled === undefined || lost === undefined || backlog === undefined || rate === undefined) {
    return { facts: {}, unread: linesOf(bytes) };
  }
  const audit = {
    enabled,
    lost,
    backlog_limit: backlog,
    rate_limit: rate,
    backlog_wait_time: values.get('backlog_wait_time') ?? null,
  };
  return { facts: { audit }, unread };
}

/** `auditctl -l`: a rule a line, or `No rules`. Nothing at all means that it could not tell. */
export function readAuditRules(bytes: Buffer): ReadFacts {
  const rules: ByteText[] = [];
  const unread: ByteText[] = [];
  let saidSomething = false;
  for (const line of linesOf(bytes)) {
    if (line.startsWith('-')) rules.push(line);
    else if (line !== 'No rules') {
      unread.push(line);
      continue;
    }
    saidSomething = true;
  }
  return { facts: { audit_rules: saidSomething ? rules : null }, unread };
}
