/** Seeds of a property test: one that is always the same, and one of this run, which stands in the test's name. */
export const SEEDS: readonly number[] = [20_250_731, Math.floor(Math.random() * 2 ** 31)];
