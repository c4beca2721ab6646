#!/usr/bin/env node
import { relative } from 'node:path';
import { outputOf } from './commands/io.js';
import { run } from './commands/program.js';
import { stopSignal } from './telemetry/process-signals.js';

// `migration-audit replay … | head` is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

process.exitCode = await run(process.argv.slice(2), {
  out: outputOf(process.stdout),
  err: outputOf(process.stderr),
  env: process.env,
  self: selfOf(process.argv[1] ?? ''),
  // The first Ctrl-C lets the command tidy up, the second one ends it.
  signal: stopSignal(process, (code) => process.exit(code)),
  signals: process,
});

function selfOf(script: string): string {
  return script.endsWith('.js') ? `node ${relative(process.cwd(), script)}` : 'migration-audit';
}
