import { EventEmitter } from 'node:events';
import { run } from '../../src/commands/program.js';

export interface CommandResult {
  exit: number;
  out: string;
  err: string;
}

export interface Surroundings {
  columns?: number;
  isTerminal?: boolean;
  env?: Record<string, string>;
  signal?: AbortSignal;
  /** emits SIGHUP */
  signals?: EventEmitter;
}

/** Runs a command line in this process, with streams of its own. */
export async function runCommand(argv: string[], surroundings: Surroundings = {}): Promise<CommandResult> {
  const { columns = 80, isTerminal = false, env = {}, signal = new AbortController().signal } = surroundings;
  const { signals = new EventEmitter() } = surroundings;
  const written = { out: '', err: '' };
  const output = (name: 'out' | 'err') => ({
    write: (text: string) => {
      written[name] += text;
    },
    isTerminal,
    columns,
  });
  const exit = await run(argv, {
    out: output('out'),
    err: output('err'),
    env,
    self: 'migration-audit',
    signal,
    signals,
  });
  return { exit, ...written };
}
