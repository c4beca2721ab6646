import { MigrationAuditError } from '../domain/errors.js';

/** Why something failed, in one line. */
export function reasonOf(error: unknown): string {
  return error instanceof MigrationAuditError ? `${error.message} (${error.where})` : String(error);
}
