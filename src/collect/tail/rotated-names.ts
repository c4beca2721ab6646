import { basename } from 'node:path';

/** How programs name a log that they, or logrotate, put away. */

const ROTATED =
  /^(?<base>.+?\.log)(?<suffix>\.\d{1,6}|[-.]\d{4}-?\d{2}-?\d{2}(?:[-T.]\d{1,12})?)?(?:\.(?:gz|xz|zst|bz2|lz4))?$/s;
const PACKED = /\.(?:gz|xz|zst|bz2|lz4)$/;

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
export function splitRotation(name: string): { base: string; age: string } | null {
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
 * The files of the log called `base` among the names of its directory, oldest first. Of a file and its packed form only
 * the file is named: it is being packed.
 */
export function generationsOf(base: string, names: readonly string[]): string[] {
  const present = new Set(names);
  return names
    .filter((name) => name === base || suffixOf(name, base) !== null)
    .filter((name) => !isPackedCopy(name, present))
    .sort((a, b) => compare(ageAfter(a, base), ageAfter(b, base)) || compare(a, b));
}

/** `audit.log.1.gz` beside `audit.log.1` is the same log again, caught while it was being compressed. */
export function isPackedCopy(name: string, present: ReadonlySet<string>): boolean {
  return PACKED.test(name) && present.has(name.replace(PACKED, ''));
}

/** The name that stands for the log of which this is a generation, among names that end in `.log`. */
export function logOf(name: string): string | null {
  return splitRotation(name)?.base ?? null;
}

const ANY_LOG = 'x.log';

function suffixOf(name: string, base: string): string | null {
  if (!name.startsWith(base)) return null;
  const suffix = name.slice(base.length);
  return splitRotation(ANY_LOG + suffix)?.base === ANY_LOG ? suffix : null;
}

function ageAfter(name: string, base: string): string {
  return splitRotation(ANY_LOG + name.slice(base.length))?.age ?? AGE_NOW;
}

/**
 * A guest's serial console is often kept as `qemu-NAME-serial.log` beside libvirt's own `qemu-NAME.log`. The guest
 * writes it, so it must never count as a log of the host.
 */
export function isGuestConsole(base: string, basesPresent: ReadonlySet<string>): boolean {
  return base.endsWith('-serial.log') && basesPresent.has(base.replace(/-serial\.log$/, '.log'));
}
