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

/** Seconds that this process computed for: others on the machine cost less of them than of the clock's. */
export function cpuSeconds(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The same of a program with its output thrown away. Node does not tell what its children took; bash does. */
export function cpuSecondsOf(program: string, args: readonly string[]): number {
  const { status, stderr } = spawnSync('bash', ['-c', TIMED, program, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', TIMEFORMAT: 'cpu %U %S' },
  });
  const match = /^cpu (\S+) (\S+)$/m.exec(stderr);
  if (status !== 0 || match === null) throw new Error(stderr);
  return Number(match[1]) + Number(match[2]);
}

const TIMED = 'time "$0" "$@"';

/**
 * Measures each in turn, round after round, so that a slow moment of the machine hits all alike. The first round only
 * warms up.
 *
 * @returns by name, what each counted round gave
 */
export function inTurn(rounds: number, measures: Record<string, () => number>): Map<string, number[]> {
  const figures = new Map<string, number[]>(Object.keys(measures).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++)
    for (const [name, measure] of Object.entries(measures)) {
      const figure = measure();
      if (round > 0) figures.get(name)?.push(figure);
    }
  return figures;
}

export function medianOf(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;
}

/** Median of the ratios that the rounds gave. */
export function medianRatio(above: readonly number[], below: readonly number[]): number {
  return medianOf(above.map((figure, round) => figure / (below[round] as number)));
}

/** Is the program installed? A figure beside it is left out where it is not. */
export function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

export function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
