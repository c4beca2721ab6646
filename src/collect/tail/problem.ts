import type { SourceOutput } from '../source.js';

/** A log is gone for a moment each time it is rotated: that is no news. */
const PATIENCE_US = 2_000_000;

/** Tells whether a source can be read, and what is in its way. */
export class Problem {
  readonly #output: SourceOutput;
  readonly #clock: () => number;
  #since_us: number | null = null;
  #wasEverFine = false;

  constructor(output: SourceOutput, clock: () => number) {
    this.#output = output;
    this.#clock = clock;
  }

  /** @param reason null while there is none */
  is(reason: string | null): void {
    if (reason === null) {
      this.#since_us = null;
      this.#wasEverFine = true;
      this.#output.up();
      return;
    }
    this.#since_us ??= this.#clock();
    if (!this.#wasEverFine || this.#clock() - this.#since_us >= PATIENCE_US) this.#output.down(reason);
  }
}
