import { printable } from '../domain/byte-text.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { SignalSource } from '../telemetry/process-signals.js';

/** Where a command writes: the process's streams, or a test's. */
export interface Output {
  write(text: string): void;
  isTerminal: boolean;
  /** width of the terminal in columns; 80 where there is none */
  columns: number;
}

export interface Io {
  out: Output;
  err: Output;
  env: Readonly<Record<string, string | undefined>>;
  /** how the user can call this program again: `migration-audit`, or `node dist/cli.js` in a checkout */
  self: string;
  /** aborted by Ctrl-C and SIGTERM */
  signal: AbortSignal;
  /** where SIGHUP comes from */
  signals: SignalSource;
}

export const EXIT = { nothingFound: 0, findings: 1, usage: 2, failed: 3, interrupted: 130 } as const;

const COLUMNS_WITHOUT_TERMINAL = 80;

export function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns ?? COLUMNS_WITHOUT_TERMINAL;
    },
  };
}

/** Says what went wrong, where, and the way out; a stack trace only for whoever debugs this program. */
export function reportError(io: Io, error: unknown): number {
  const known =
    error instanceof MigrationAuditError
      ? error
      : new MigrationAuditError('MA_BUG', (error as Error)?.message ?? String(error), undefined, {
          cause: error,
        });
  const where = known.where === '' ? '' : `: ${printable(known.where)}`;
  io.err.write(
    `error ${known.code}: ${printable(known.message)}${where}\n  hint: ${printable(known.hint)}\n`,
  );
  if (io.env['MIGRATION_AUDIT_DEBUG'] === '1')
    io.err.write(`${error instanceof Error ? (error.stack ?? '') : String(error)}\n`);
  return known.exit;
}

export function warn(io: Io, text: string): void {
  io.err.write(`warning: ${printable(text)}\n`);
}

/** Tells the program the exit code of the command that ran. */
export type SetExit = (code: number) => void;
