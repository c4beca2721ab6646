import { setTimeout } from 'node:timers/promises';

const POLL_MS = 20;

/**
 * Waits for a condition that another process brings about.
 *
 * @throws Error naming what was waited for when it does not come within the limit, which is generous: it is there to
 * end a test that hangs, not to measure
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limit_ms = 60_000,
): Promise<void> {
  const deadline_ms = Date.now() + limit_ms;
  while (!(await condition())) {
    if (Date.now() > deadline_ms) throw new Error(`waited in vain until ${what}`);
    await setTimeout(POLL_MS);
  }
}
