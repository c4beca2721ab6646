import { createHash } from 'node:crypto';

/**
 * What a stretch of bytes is recognised by: its length and a hash, `256:Bq0fVw5sZ1k`. Names of log files move and inode
 * numbers are used again; what a log began with stays.
 */
export type Fingerprint = string;

/** How much of the beginning of a file, and of what was read last, is looked at. */
export const FINGERPRINT_BYTES = 256;
/** A beginning shorter than this may be that of any log. */
const TELLING_BYTES = 64;

export const NOTHING: Fingerprint = '0:';

export function fingerprint(bytes: Buffer): Fingerprint {
  if (bytes.length === 0) return NOTHING;
  return `${bytes.length}:${createHash('sha256').update(bytes).digest('base64url').slice(0, 16)}`;
}

/** How many bytes it was made of. */
export function lengthOf(print: Fingerprint): number {
  return Number.parseInt(print, 10);
}

export function isTelling(print: Fingerprint): boolean {
  return lengthOf(print) >= TELLING_BYTES;
}

/** Does a file that begins with `head` begin as the one that `print` was made of? */
export function beginsAs(head: Buffer, print: Fingerprint): boolean {
  const length = lengthOf(print);
  return length > 0 && head.length >= length && fingerprint(head.subarray(0, length)) === print;
}

export function isFingerprint(value: unknown): value is Fingerprint {
  return typeof value === 'string' && /^\d{1,3}:[\w-]{0,16}$/.test(value);
}
