import { Command, Option } from 'commander';
import { KEYS, valueAt } from '../config/keys.js';
import {
  type CheckedConfiguration,
  checkConfiguration,
  DEFAULT_FILE,
  type KeyOrigin,
  type LoadedConfiguration,
  loadConfiguration,
} from '../config/load.js';
import { errorOf, whereOf } from '../config/problem.js';
import { printable } from '../domain/byte-text.js';
import { safeJson } from '../domain/safe-json.js';
import { type Format, formatOption } from './format.js';
import { EXIT, type Io, reportError, type SetExit, warn } from './io.js';
import { padEnd, width } from './text/columns.js';

interface Options {
  config?: string;
  format: Format;
}

export function configCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('config')
    .summary('check the configuration file, or show what is in effect')
    .description(
      'Reads the one configuration file of the long-lived roles and the environment, which goes before it. Changes ' +
        'nothing and needs no role to run.',
    );
  command
    .command('check')
    .summary('say everything that is wrong with the configuration')
    .description(
      'Says everything that is wrong with the configuration: unknown keys, values that cannot be, secrets that ' +
        'cannot be read. Exits with 2 when it cannot be used.',
    )
    .addOption(configOption())
    .addOption(formatOption())
    .action(async ({ config, format }: Options) =>
      setExit(reportCheck(io, format, await checkConfiguration({ file: config, environment: io.env }))),
    );
  command
    .command('show')
    .summary('print every key with its value and where that comes from')
    .description(
      'Prints every key in effect, its value, and whether the file, the environment or nobody gave it.',
    )
    .addOption(configOption())
    .addOption(formatOption())
    .action(async ({ config, format }: Options) => {
      printEffective(io, format, await loadConfiguration({ file: config, environment: io.env }));
      setExit(EXIT.nothingFound);
    });
  return command;
}

export function configOption(): Option {
  return new Option(
    '-c, --config <file>',
    `the configuration file; by default $MIGRATION_AUDIT_CONFIG, or ${DEFAULT_FILE} if there is one`,
  );
}

function reportCheck(io: Io, format: Format, checked: CheckedConfiguration): number {
  const exit = checked.usable ? EXIT.nothingFound : EXIT.usage;
  if (format === 'text') reportInText(io, checked);
  else printCheck(io, format, checked);
  return exit;
}

function reportInText(io: Io, checked: CheckedConfiguration): void {
  if (!checked.usable) {
    for (const problem of checked.problems) reportError(io, errorOf(problem));
    return;
  }
  const { file, origins, warnings } = checked.loaded;
  for (const warning of warnings) warn(io, warning);
  const count = (from: KeyOrigin['from']) =>
    [...origins.values()].filter((origin) => origin.from === from).length;
  const source = file === null ? 'no file' : `${printable(file)} (${count('file')} keys)`;
  io.out.write(`The configuration can be used: ${source}, environment (${count('environment')} keys).\n`);
}

/** One object, or one line for each thing to say. */
function printCheck(io: Io, format: 'json' | 'ndjson', checked: CheckedConfiguration): void {
  const file = checked.usable ? checked.loaded.file : checked.file;
  const warnings = checked.usable ? checked.loaded.warnings : [];
  const problems = (checked.usable ? [] : checked.problems).map((problem) => {
    const { key, variable, line, text } = problem;
    return {
      where: whereOf(problem),
      key,
      variable,
      file: problem.file,
      line,
      text,
      hint: errorOf(problem).hint,
    };
  });
  const { usable } = checked;
  if (format === 'json') io.out.write(`${safeJson({ usable, file, problems, warnings })}\n`);
  else {
    for (const problem of problems) io.out.write(`${safeJson({ type: 'problem', ...problem })}\n`);
    for (const text of warnings) io.out.write(`${safeJson({ type: 'warning', text })}\n`);
    io.out.write(`${safeJson({ type: 'configuration', usable, file })}\n`);
  }
}

interface EffectiveKey {
  key: string;
  value: unknown;
  origin: KeyOrigin['from'];
  line: number | null;
  variable: string | null;
}

function printEffective(io: Io, format: Format, loaded: LoadedConfiguration): void {
  const keys = effectiveKeys(loaded);
  if (format === 'json') io.out.write(`${safeJson({ file: loaded.file, keys })}\n`);
  else if (format === 'ndjson')
    for (const key of keys) io.out.write(`${safeJson({ type: 'key', ...key })}\n`);
  else printRows(io, loaded, keys);
  if (format === 'text') for (const warning of loaded.warnings) warn(io, warning);
}

function effectiveKeys({ configuration, origins }: LoadedConfiguration): EffectiveKey[] {
  return KEYS.flatMap(({ name, path }) => {
    const value = valueAt(configuration, path);
    const origin = origins.get(name);
    if (value === undefined || origin === undefined) return [];
    return [
      {
        key: name,
        value,
        origin: origin.from,
        line: origin.from === 'file' ? origin.line : null,
        variable: origin.from === 'environment' ? origin.variable : null,
      },
    ];
  });
}

function printRows(io: Io, { file }: LoadedConfiguration, keys: readonly EffectiveKey[]): void {
  const rows = keys.map(
    (each) => [each.key, printable(JSON.stringify(each.value)), originInWords(each)] as const,
  );
  const [nameColumns = 0, valueColumns = 0] = [0, 1].map((index) =>
    Math.max(...rows.map((row) => Math.min(width(row[index] as string), VALUE_COLUMNS_MAX))),
  );
  io.out.write(file === null ? 'No file: environment and defaults.\n\n' : `${printable(file)}\n\n`);
  for (const [key, value, origin] of rows)
    io.out.write(`${padEnd(key, nameColumns)}  ${padEnd(value, valueColumns)}  ${origin}\n`);
}

/** Longer values push their origin aside, and not that of all others. */
const VALUE_COLUMNS_MAX = 40;

function originInWords({ origin, line, variable }: EffectiveKey): string {
  if (origin === 'file') return `line ${line}`;
  return origin === 'environment' ? String(variable) : 'default';
}
