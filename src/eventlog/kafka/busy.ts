import { setTimeout as sleep } from 'node:timers/promises';

const RETRIES = 200;
const WAIT_MS_MAX = 50;

/**
 * A broker confirms a transaction before all its marks are written, and refuses the next one for as long; some
 * milliseconds, which kafkajs would not wait for here, and would wait far too long elsewhere.
 */
export async function whenNotBusy<T>(run: () => Promise<T>): Promise<T> {
  for (let tried = 0; ; tried++) {
    try {
      return await run();
    } catch (error) {
      if ((error as { type?: string }).type !== 'CONCURRENT_TRANSACTIONS' || tried >= RETRIES) throw error;
      await sleep(Math.min(1 + tried, WAIT_MS_MAX));
    }
  }
}
