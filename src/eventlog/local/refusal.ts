import { statfsSync } from 'node:fs';
import { MigrationAuditError } from '../../domain/errors.js';

/** a transaction of any size needs some pages beside its own */
const ROOM_BYTES_MIN = 1 << 20;

const FULL = /MAP_FULL|ENOSPC|EDQUOT|No space left|quota exceeded/i;
const NOT_WRITABLE = /EROFS|EACCES|EPERM|Read-only file system|Permission denied|Operation not permitted/i;
/** What LMDB makes of a write that a full disk cut short, and what a broken disk says. */
const INPUT_OUTPUT = /EIO|Input\/output error/i;

/**
 * What keeps a log from being opened for writing that time, or whoever runs the machine, can mend; null when it is
 * something else.
 */
export function passingRefusal(directory: string, cause: unknown): MigrationAuditError | null {
  const message = text(cause);
  const isFailing = INPUT_OUTPUT.test(message);
  if (FULL.test(message) || (isFailing && hasNoRoom(directory)))
    return new MigrationAuditError('MA_LOG_FULL', directory, message, { cause });
  if (isFailing || NOT_WRITABLE.test(message))
    return new MigrationAuditError('MA_LOG_WRITE', directory, message, { cause });
  return null;
}

/** What keeps a log that is open from being written. */
export function writeRefusal(directory: string, cause: unknown): MigrationAuditError {
  if (cause instanceof MigrationAuditError) return cause;
  const code = FULL.test(text(cause)) || hasNoRoom(directory) ? 'MA_LOG_FULL' : 'MA_LOG_WRITE';
  return new MigrationAuditError(code, directory, text(cause), { cause });
}

function hasNoRoom(directory: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize < ROOM_BYTES_MIN;
  } catch {
    return false;
  }
}

export function text(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
