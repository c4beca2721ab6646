import type { Output } from '../port.js';
import { sentBytes } from './produce.js';

/** what waits for the transaction before; more lets the handler wait */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

interface Waiting {
  outputs: Output[];
  bytes: number;
  next: number;
}

/**
 * Commits what batches gave, in their order, while the handler works on the next ones. A transaction takes some ten
 * round trips whatever is in it: all that was given meanwhile goes into the next one together.
 */
export class Committer {
  readonly #commit: (outputs: readonly Output[], next: number) => Promise<void>;
  #waiting: Waiting | null = null;
  #running: Promise<void> | null = null;
  #failure: { error: unknown } | null = null;

  constructor(commit: (outputs: readonly Output[], next: number) => Promise<void>) {
    this.#commit = commit;
  }

  /**
   * Resolves when there is room for more, not when it is committed.
   *
   * @param next the position after the batch
   * @throws what an earlier transaction failed with
   */
  async add(outputs: readonly Output[], next: number): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    const waiting = this.#waiting ?? { outputs: [], bytes: 0, next };
    for (const output of outputs) {
      waiting.outputs.push(output);
      waiting.bytes += sentBytes(output);
    }
    waiting.next = next;
    this.#waiting = waiting;
    this.#start();
    while (this.#waiting !== null && this.#waiting.bytes > WAITING_BYTES_MAX) await this.#running;
  }

  /** Resolves when all is committed. @throws what a transaction failed with */
  async finish(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** A failure stays: what comes after it must not be committed without it. */
  #start(): void {
    const waiting = this.#waiting;
    if (this.#running !== null || waiting === null) return;
    this.#waiting = null;
    const running = this.#commit(waiting.outputs, waiting.next).then(() => {
      this.#running = null;
      this.#start();
    });
    this.#running = running;
    running.catch((error) => {
      this.#failure = { error };
    });
  }
}
