import { Command, CommanderError } from 'commander';
import { MigrationAuditError } from '../domain/errors.js';
import { collectCommand } from './collect.js';
import { configCommand } from './config.js';
import { correlateCommand } from './correlate.js';
import { deadLettersCommand } from './dead-letters.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { findingsCommand } from './findings.js';
import { EXIT, type Io, reportError, type SetExit } from './io.js';
import { replayCommand } from './replay.js';
import { runCommand } from './run.js';
import { storeCommand } from './store.js';
import { timelineCommand } from './timeline.js';
import { topicsCommand } from './topics.js';
import { version } from './version.js';

/**
 * Runs one command line, without the program's own name.
 *
 * @returns the exit code: 0 nothing found, 1 findings, 2 usage or configuration, 3 could not, 130 interrupted
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let exit: number = EXIT.nothingFound;
  const program = programFor(io, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (error) {
    if (io.signal.aborted) return EXIT.interrupted;
    return exitFor(error, io);
  }
}

const COMMANDS = [
  replayCommand,
  findingsCommand,
  timelineCommand,
  runCommand,
  collectCommand,
  correlateCommand,
  storeCommand,
  configCommand,
  doctorCommand,
  topicsCommand,
  deadLettersCommand,
  demoCommand,
];

function programFor(io: Io, setExit: SetExit): Command {
  const program = new Command('migration-audit')
    .description(
      'Finds who took a running guest’s disk away: reads the logs of hypervisors that migrate guests to each ' +
        'other, tells which host owned each guest at each moment, and judges every relabel (chown, setxattr) of ' +
        'its images.',
    )
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      getOutHelpWidth: () => Math.min(io.out.columns, HELP_COLUMNS_MAX),
      getErrHelpWidth: () => Math.min(io.err.columns, HELP_COLUMNS_MAX),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      // Usage errors are reported in one form with all other errors, by `exitFor`.
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText('after', EPILOGUE);
  for (const command of COMMANDS) program.addCommand(withSettingsOf(program, command(io, setExit)));
  return program;
}

/** Commands are made before they have a parent, and so are their own commands. */
function withSettingsOf(parent: Command, command: Command): Command {
  command.copyInheritedSettings(parent);
  for (const below of command.commands) withSettingsOf(command, below);
  return command;
}

const HELP_COLUMNS_MAX = 110;

const EPILOGUE = `
Exit codes:
  0  done, and nothing was found
  1  there are findings
  2  the command line or the configuration cannot be used
  3  it could not be done

An incident now?  Put the logs of each host into a directory of its own, then:
  migration-audit replay CAPTURE        docs/guides/replay-an-incident.md says how to collect
No logs at hand?
  migration-audit demo`;

function exitFor(error: unknown, io: Io): number {
  if (!(error instanceof CommanderError)) return reportError(io, error);
  if (error.exitCode === 0) return EXIT.nothingFound;
  // Without a command there is nothing to complain about in particular: the help is shown, and that is all.
  if (error.code === 'commander.help') return EXIT.usage;
  const detail = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return reportError(io, new MigrationAuditError('MA_USAGE', '', detail));
}
