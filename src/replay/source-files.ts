import { basename } from 'node:path';

/**
 * What a file in a capture is, told by its name alone. Contents never decide: a guest can write what it likes to
 * its own console, and a file that looks like a log must not become one.
 */

/** A stream that is read line by line; `audit-plugin` is what an audisp plugin was fed, the audit log over again. */
export type StreamRole =
  | 'audit'
  | 'audit-plugin'
  | 'virsh-event'
  | 'qemu-monitor-event'
  | 'daemon-log'
  | 'guest-log';

export interface StreamFileName {
  role: StreamRole;
  /** name without rotation suffix: files with the same base are one stream, cut by rotation */
  base: string;
  /** for sorting: the older file has the smaller key */
  age: string;
}

const ROTATED =
  /^(?<base>.+?\.log)(?<suffix>\.\d{1,6}|[-.]\d{4}-?\d{2}-?\d{2}(?:[-T.]\d{1,12})?)?(?:\.gz)?$/s;

const ROLE_OF_BASE: readonly [RegExp, StreamRole][] = [
  [/^audit\.log$/, 'audit'],
  [/^audit-plugin\.log$/, 'audit-plugin'],
  [/^virsh-event\.log$/, 'virsh-event'],
  [/^qemu-monitor-event\.log$/, 'qemu-monitor-event'],
  [/^(?:libvirtd|virtqemud).*\.log$/s, 'daemon-log'],
  [/^qemu-.+\.log$/s, 'guest-log'],
];

/** The stream file a name stands for, or null: then it is a snapshot, or none of our business. */
export function streamFileOf(name: string): StreamFileName | null {
  const parts = splitRotation(name);
  if (parts === null) return null;
  const role = ROLE_OF_BASE.find(([pattern]) => pattern.test(parts.base))?.[1];
  return role === undefined ? null : { role, ...parts };
}

/** `vm1` of `qemu-vm1.log.2.gz` in a capture and of `vm1.log` where libvirt itself keeps it. */
export function guestOfLog(path: string): string {
  const name = basename(path);
  return (splitRotation(name)?.base ?? name).replace(/^qemu-/, '').replace(/\.log$/, '');
}

/** Sorts names of one stream oldest first; names that say nothing about age keep their alphabetical order. */
export function byAge(a: string, b: string): number {
  const ageOfA = splitRotation(a)?.age ?? AGE_NOW;
  const ageOfB = splitRotation(b)?.age ?? AGE_NOW;
  return compare(ageOfA, ageOfB) || compare(a, b);
}

const AGE_NOW = '3';

/**
 * `audit.log-20261120` before `audit.log.2` before `audit.log.1` before `audit.log`: logrotate with `dateext` and
 * numbers are not mixed by one program, so where both stand, the dated ones are an older set-up's.
 */
function splitRotation(name: string): { base: string; age: string } | null {
  const groups = ROTATED.exec(name)?.groups;
  const base = groups?.['base'];
  if (base === undefined) return null;
  const suffix = groups?.['suffix'];
  if (suffix === undefined) return { base, age: AGE_NOW };
  const digits = suffix.replaceAll(/\D/g, '');
  const isDate = digits.length >= 8;
  return { base, age: isDate ? `1${digits}` : `2${String(1e7 - Number(digits)).padStart(8, '0')}` };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * A guest's serial console is often kept as `qemu-NAME-serial.log` beside libvirt's own `qemu-NAME.log`. The guest
 * writes it, so it must never count as a log of the host.
 */
export function isGuestConsole(base: string, basesPresent: ReadonlySet<string>): boolean {
  return base.endsWith('-serial.log') && basesPresent.has(base.replace(/-serial\.log$/, '.log'));
}
