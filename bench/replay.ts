import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditLogShape, writeAuditLog } from './audit-logs.js';
import { cpuSecondsOf, inTurn, isInstalled, medianOf, medianRatio, megabytes } from './measure.js';

/**
 * The built program's `replay` of one audit log, from start to exit, beside `ausearch --raw` on the same file in turn:
 * medians of the seconds of computing, and the most memory that it took.
 * Usage: npm run build && node --import tsx bench/replay.ts [MB] [rounds]
 */
const LOG_BYTES = Number(process.argv[2] ?? 200) * 1e6;
const ROUNDS = Number(process.argv[3] ?? 3);
const PEER = 'ausearch';
const CLI = new URL('../dist/cli.js', import.meta.url).pathname;
const KEEPS_PEAK = new URL('peak-memory.mjs', import.meta.url).href;

const SHAPES: Pick<AuditLogShape, 'percentOurs' | 'events_per_s' | 'files'>[] = [
  { percentOurs: 100, events_per_s: 100 },
  { percentOurs: 100, events_per_s: 1000 },
  { percentOurs: 1, events_per_s: 100 },
  { percentOurs: 100, events_per_s: 1000, files: 'strangers' },
];

/** Runs the program with its output thrown away. */
function replay(path: string): { peak_bytes: number; seconds: number } {
  const args = ['--import', KEEPS_PEAK, CLI];
  const { status, stderr } = spawnSync(
    process.execPath,
    [...args, 'replay', '--audit', `hosta=${path}`, '--format', 'ndjson'],
    { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
  );
  const match = /^peak (\d+) cpu (\S+)$/m.exec(stderr);
  if (status === null || status > 1 || match === null) throw new Error(stderr);
  return { peak_bytes: Number(match[1]), seconds: Number(match[2]) };
}

function compare(path: string, shape: (typeof SHAPES)[number]): void {
  const bytes = writeAuditLog(path, { bytes: LOG_BYTES, format: 'raw', ...shape });
  const { percentOurs, events_per_s, files = 'samples' } = shape;
  let peak_bytes = 0;
  const seconds = inTurn(ROUNDS, {
    replay: () => {
      const run = replay(path);
      peak_bytes = Math.max(peak_bytes, run.peak_bytes);
      return run.seconds;
    },
    ...(isInstalled(PEER) ? { [PEER]: () => cpuSecondsOf(PEER, ['--raw', '-if', path]) } : {}),
  });
  console.log(
    `\nRAW, ${percentOurs} % ours, ${events_per_s} events/s, files of ${files}, ${megabytes(bytes)} MB`,
  );
  for (const [name, figures] of seconds) {
    const median = medianOf(figures);
    const rate = `${(bytes / 1e6 / median).toFixed(0).padStart(4)} MB/s`;
    console.log(`  ${name.padEnd(15)} ${median.toFixed(2).padStart(6)} s ${rate}`);
  }
  const peer = seconds.get(PEER);
  if (peer !== undefined)
    console.log(`  replay is ${medianRatio(peer, seconds.get('replay') as number[]).toFixed(2)} x ${PEER}`);
  console.log(`  replay took ${megabytes(peak_bytes)} MB at most`);
}

const directory = mkdtempSync(join(tmpdir(), 'replay-'));
try {
  for (const shape of SHAPES) compare(join(directory, 'audit.log'), shape);
} finally {
  rmSync(directory, { recursive: true });
}
