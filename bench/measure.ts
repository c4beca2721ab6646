import { spawnSync } from 'node:child_process';

/** Best of some runs: the machine adds time to a run, never takes any away. */
export function bestOf<T>(runs: number, run: () => T): { seconds: number; result: T } {
  let best: { seconds: number; result: T } | null = null;
  for (let i = 0; i < runs; i++) {
    const started = process.hrtime.bigint();
    const result = run();
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    if (best === null || seconds < best.seconds) best = { seconds, result };
  }
  return best as { seconds: number; result: T };
}

/** Is the program installed? A figure beside it is left out where it is not. */
export function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

export function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
