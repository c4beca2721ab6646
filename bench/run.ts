import { spawnSync } from 'node:child_process';
import { isInstalled } from './measure.js';

/**
 * Runs every benchmark, one after the other, on one core where `taskset` can see to it.
 * Usage: npm run bench
 */
const BENCHMARKS = ['audit-parse', 'codec', 'correlate', 'replay', 'collect', 'stream', 'live'];

/** the events of a big fleet all lie in memory */
const HEAP = '--max-old-space-size=12288';

const onOneCore = isInstalled('taskset') ? ['taskset', '-c', '0'] : [];

for (const name of BENCHMARKS) {
  console.log(`\n== ${name} (Node ${process.version}, ${onOneCore.length > 0 ? 'one core' : 'all cores'})`);
  const file = new URL(`${name}.ts`, import.meta.url).pathname;
  const [program = process.execPath, ...args] = [
    ...onOneCore,
    process.execPath,
    HEAP,
    '--import',
    'tsx',
    file,
  ];
  const { status } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
