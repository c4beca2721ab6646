import { setTimeout as sleep } from 'node:timers/promises';
import { MigrationAuditError } from '../domain/errors.js';

/** Ends early, and without an error, when the signal is aborted. */
export async function pause(wait_ms: number, signal: AbortSignal): Promise<void> {
  await sleep(wait_ms, undefined, { signal }).catch(() => {});
}

/** Why something failed, in one line. */
export function reasonOf(error: unknown): string {
  return error instanceof MigrationAuditError ? `${error.message} (${error.where})` : String(error);
}
