import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditLogShape, writeAuditLog } from './audit-logs.js';
import { bestOf, isInstalled, megabytes } from './measure.js';

/**
 * The built program's `replay` of one audit log, from start to exit, beside `ausearch --raw` on the same file in the
 * same run: seconds, and the most memory that it took.
 * Usage: npm run build && node --import tsx bench/replay.ts [MB] [runs]
 */
const LOG_BYTES = Number(process.argv[2] ?? 200) * 1e6;
const RUNS = Number(process.argv[3] ?? 3);
const PEER = 'ausearch';
const CLI = new URL('../dist/cli.js', import.meta.url).pathname;
const KEEPS_PEAK = new URL('peak-memory.mjs', import.meta.url).href;

const SHAPES: Pick<AuditLogShape, 'percentOurs' | 'stamps' | 'files'>[] = [
  { percentOurs: 100, stamps: 'ticking' },
  { percentOurs: 100, stamps: 'repeating' },
  { percentOurs: 1, stamps: 'ticking' },
  { percentOurs: 100, stamps: 'ticking', files: 'strangers' },
];

/** Runs the program with its output thrown away; returns its peak memory in bytes. */
function replay(path: string): number {
  const args = ['--import', KEEPS_PEAK, CLI];
  const { status, stderr } = spawnSync(
    process.execPath,
    [...args, 'replay', '--audit', `hosta=${path}`, '--format', 'ndjson'],
    { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
  );
  const peak = /^peak (\d+)$/m.exec(stderr)?.[1];
  if (status === null || status > 1 || peak === undefined) throw new Error(stderr);
  return Number(peak);
}

function compare(path: string, shape: (typeof SHAPES)[number]): void {
  const bytes = writeAuditLog(path, { bytes: LOG_BYTES, format: 'raw', ...shape });
  const { percentOurs, stamps, files = 'samples' } = shape;
  console.log(`\nRAW, ${percentOurs} % ours, ${stamps} stamps, files of ${files}, ${megabytes(bytes)} MB`);
  const own = bestOf(RUNS, () => replay(path));
  const rate = (seconds: number) => `${(bytes / 1e6 / seconds).toFixed(0).padStart(4)} MB/s`;
  const time = (seconds: number) => `${seconds.toFixed(1).padStart(6)} s`;
  const peak = `${megabytes(own.result)} MB at most`;
  if (!isInstalled(PEER)) {
    console.log(`  replay          ${time(own.seconds)} ${rate(own.seconds)}, ${peak}`);
    return;
  }
  const peer = bestOf(RUNS, () =>
    execFileSync(PEER, ['--raw', '-if', path], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  const against = `${(peer.seconds / own.seconds).toFixed(2)} x ausearch`;
  console.log(`  replay          ${time(own.seconds)} ${rate(own.seconds)}, ${against}, ${peak}`);
  console.log(`  ausearch --raw  ${time(peer.seconds)} ${rate(peer.seconds)}`);
}

const directory = mkdtempSync(join(tmpdir(), 'replay-'));
try {
  for (const shape of SHAPES) compare(join(directory, 'audit.log'), shape);
} finally {
  rmSync(directory, { recursive: true });
}
