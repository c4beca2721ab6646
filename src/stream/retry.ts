import { setTimeout as sleep } from 'node:timers/promises';
import { MigrationAuditError } from '../domain/errors.js';

/** Waits of a growing length, as for a server that is away. */
export class BackOff {
  readonly #first_ms: number;
  readonly #most_ms: number;
  #next_ms: number;

  constructor(first_ms: number, most_ms: number) {
    this.#first_ms = first_ms;
    this.#most_ms = most_ms;
    this.#next_ms = first_ms;
  }

  /** Ends early, and without an error, when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const ms = this.#next_ms;
    this.#next_ms = Math.min(2 * ms, this.#most_ms);
    await sleep(ms, undefined, { signal }).catch(() => {});
  }

  reset(): void {
    this.#next_ms = this.#first_ms;
  }
}

/** Why something failed, in one line. */
export function reasonOf(error: unknown): string {
  return error instanceof MigrationAuditError ? `${error.message} (${error.where})` : String(error);
}
