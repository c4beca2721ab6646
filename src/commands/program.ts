import { Command, CommanderError } from 'commander';
import { MigrationAuditError } from '../domain/errors.js';
import { EXIT, type Io, reportError, type SetExit } from './io.js';
import { version } from './version.js';

/**
 * Runs one command line, without the program's own name.
 *
 * @returns the exit code: 0 nothing found, 1 findings, 2 usage or configuration, 3 could not, 130 interrupted
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let exit: number = EXIT.nothingFound;
  const program = await programFor(io, argv[0], (code) => {
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

/** In the order of the help. A command is loaded when it is asked for: most of the program is for the others. */
const COMMANDS = {
  replay: async () => (await import('./replay.js')).replayCommand,
  findings: async () => (await import('./findings.js')).findingsCommand,
  timeline: async () => (await import('./timeline.js')).timelineCommand,
  run: async () => (await import('./run.js')).runCommand,
  collect: async () => (await import('./collect.js')).collectCommand,
  correlate: async () => (await import('./correlate.js')).correlateCommand,
  store: async () => (await import('./store.js')).storeCommand,
  config: async () => (await import('./config.js')).configCommand,
  doctor: async () => (await import('./doctor.js')).doctorCommand,
  topics: async () => (await import('./topics.js')).topicsCommand,
  'dead-letters': async () => (await import('./dead-letters.js')).deadLettersCommand,
  demo: async () => (await import('./demo.js')).demoCommand,
} as const satisfies Record<string, () => Promise<(io: Io, setExit: SetExit) => Command>>;

async function programFor(io: Io, asked: string | undefined, setExit: SetExit): Promise<Command> {
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
  for (const load of asked !== undefined && isCommand(asked) ? [COMMANDS[asked]] : Object.values(COMMANDS)) {
    const command = await load();
    program.addCommand(withSettingsOf(program, command(io, setExit)));
  }
  return program;
}

function isCommand(name: string): name is keyof typeof COMMANDS {
  return Object.hasOwn(COMMANDS, name);
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
