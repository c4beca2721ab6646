import { MigrationAuditError } from '../../domain/errors.js';
import type { Environment } from './environment.js';
import { writeRefusal } from './refusal.js';

/** Where a kill is worth a test; production passes nothing. */
export type KillPoint = 'before-transaction' | 'before-commit' | 'after-commit' | 'after-acknowledge';

interface Waiting {
  /** checks first, writes after: when it throws it has written nothing */
  write: () => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

/** Collects the writes of one turn of the event loop into one transaction, so that they share one fsync. */
export class Writer {
  readonly #environment: Environment;
  readonly #directory: string;
  readonly #housekeep: () => void;
  readonly #committed: () => void;
  readonly #at: (point: KillPoint) => void;
  #waiting: Waiting[] = [];
  #closed = false;

  constructor(
    environment: Environment,
    directory: string,
    hooks: { housekeep: () => void; committed: () => void; at?: ((point: KillPoint) => void) | undefined },
  ) {
    this.#environment = environment;
    this.#directory = directory;
    this.#housekeep = hooks.housekeep;
    this.#committed = hooks.committed;
    this.#at = hooks.at ?? (() => {});
  }

  /** Resolves when what `write` wrote is on the disk. */
  commit<T>(write: () => T): Promise<T> {
    if (this.#closed)
      return Promise.reject(new MigrationAuditError('MA_LOG_WRITE', this.#directory, 'it is closed'));
    return new Promise<T>((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#flush());
      this.#waiting.push({ write, resolve, reject });
    });
  }

  close(): void {
    this.#flush();
    this.#closed = true;
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    let settle: (() => void)[];
    try {
      this.#at('before-transaction');
      settle = this.#environment.root.transactionSync(() => {
        this.#housekeep();
        const written = waiting.map(attempt);
        this.#at('before-commit');
        return written;
      });
      this.#at('after-commit');
    } catch (cause) {
      const error = writeRefusal(this.#directory, cause);
      for (const { reject } of waiting) reject(error);
      return;
    }
    for (const done of settle) done();
    this.#at('after-acknowledge');
    this.#committed();
  }
}

/** A refusal concerns its caller alone; any other failure ends the transaction. */
function attempt({ write, resolve, reject }: Waiting): () => void {
  try {
    const value = write();
    return () => resolve(value as never);
  } catch (error) {
    if (error instanceof MigrationAuditError && error.code === 'MA_LOG_FULL') return () => reject(error);
    throw error;
  }
}
