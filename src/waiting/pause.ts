import { setTimeout as sleep } from 'node:timers/promises';

/** Waits so long, or until the signal is aborted: then it ends early, and without an error. */
export async function pause(wait_ms: number, signal: AbortSignal): Promise<void> {
  await sleep(wait_ms, undefined, { signal }).catch(() => {});
}

/** Resolves once the signal is aborted, at once if it is. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
