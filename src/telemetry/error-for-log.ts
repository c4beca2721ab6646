import { MigrationAuditError } from '../domain/errors.js';

/** What a log keeps of an error. */
export interface LoggedError {
  code: string;
  message: string;
  where?: string;
  hint?: string;
  /** of what this program did not expect of itself */
  stack?: string;
  cause?: LoggedError;
}

/** A chain of causes is as long as whoever made it wants. */
const CAUSES_MAX = 4;

/**
 * Errors of our own with code, place and hint. Of others the code that the system gave, as ECONNREFUSED; without one
 * it is a bug, and the stack says where.
 */
export function errorForLog(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { code: 'MA_BUG', message: String(error) };
  const cause =
    error.cause === undefined || depth >= CAUSES_MAX ? {} : { cause: errorForLog(error.cause, depth + 1) };
  if (error instanceof MigrationAuditError) {
    const { code, message, where, hint } = error;
    const stack = code === 'MA_BUG' && error.stack !== undefined ? { stack: error.stack } : {};
    return { code, message, where, hint, ...stack, ...cause };
  }
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return { code, message: error.message, ...cause };
  return { code: 'MA_BUG', message: error.message, stack: error.stack ?? error.message, ...cause };
}
