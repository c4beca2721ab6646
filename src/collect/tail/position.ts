import { type Fingerprint, isFingerprint } from './fingerprint.js';

/** How far one file was read. A file is one generation of a log, whatever its name is by now. */
export interface Place {
  dev: string;
  ino: string;
  /** byte to go on with, unpacked; before what is not handed on yet */
  offset: number;
  /** end of what was read */
  read_to: number;
  /** of the first bytes of the file */
  head: Fingerprint;
  /** of the bytes before `read_to` */
  tail: Fingerprint;
}

/** How far a log was read, over all its generations. */
export interface Position {
  /** null: nothing of any generation that is to be read */
  at: Place | null;
  /** beginnings of the generations that are done with, latest last: they are not read again */
  passed: Fingerprint[];
  /** only with `at` null: that something was lost before what comes next has been said */
  isBroken: boolean;
}

/** Null when it is not one of ours. */
export function positionFrom(value: unknown): Position | null {
  if (typeof value !== 'object' || value === null) return null;
  const { at, passed, isBroken } = value as Partial<Position>;
  if (!Array.isArray(passed) || !passed.every(isFingerprint) || typeof isBroken !== 'boolean') return null;
  return at === null || isPlace(at) ? { at, passed, isBroken } : null;
}

function isPlace(value: unknown): value is Place {
  if (typeof value !== 'object' || value === null) return false;
  const { dev, ino, offset, read_to, head, tail } = value as Partial<Place>;
  return (
    typeof dev === 'string' &&
    typeof ino === 'string' &&
    isCount(offset) &&
    isCount(read_to) &&
    offset <= read_to &&
    isFingerprint(head) &&
    isFingerprint(tail)
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
