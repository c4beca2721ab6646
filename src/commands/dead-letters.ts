import { Command, Option } from 'commander';
import { printable } from '../domain/byte-text.js';
import { MigrationAuditError } from '../domain/errors.js';
import { safeJson } from '../domain/safe-json.js';
import {
  DEAD_LETTER_REASONS,
  type DeadLetter,
  type DeadLetterReason,
  readDeadLetter,
} from '../eventlog/dead-letter.js';
import type { LogRecord, Scanner } from '../eventlog/port.js';
import { type ConfigurationOption, configOption, configurationFor, usingLog } from './event-log.js';
import { type Format, formatOption } from './format.js';
import { EXIT, type Io, type SetExit, warn } from './io.js';

interface Options extends ConfigurationOption {
  spool: boolean;
}

/** A dead letter and where it lies: `id` is its partition and offset. */
interface Found extends DeadLetter {
  id: string;
  at_us: number;
}

export function deadLettersCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('dead-letters')
    .summary('list, show or send again what could not be used')
    .description(
      'Records that could not be used are kept as dead letters: their bytes, the reason, and where they were. They ' +
        'lie in the event log, and what the brokers do not take lies in the spool of the host that it comes from.',
    );
  command
    .command('list')
    .summary('list the dead letters')
    .addOption(configOption())
    .addOption(spoolOption())
    .addOption(reasonOption())
    .addOption(formatOption())
    .action(async (options: Options & { format: Format; reason?: DeadLetterReason }) => {
      await list(io, options);
      setExit(EXIT.nothingFound);
    });
  command
    .command('show')
    .argument('<id>', 'partition and offset, as `list` prints them: 0:17')
    .summary('print one dead letter')
    .description('Prints one dead letter with its first bytes; as JSON with all of them, in Base64.')
    .addOption(configOption())
    .addOption(spoolOption())
    .addOption(formatOption())
    .action(async (id: string, options: Options & { format: Format }) => {
      await show(io, id, options);
      setExit(EXIT.nothingFound);
    });
  command
    .command('redrive')
    .argument('[ids...]', 'partition and offset, as `list` prints them')
    .summary('append the records of dead letters to their topic again')
    .description(
      'Appends the records of dead letters to their topic again, with their keys, as after an upgrade that can read ' +
        'them. The dead letters stay; what knows the ids of events takes a record in once, however often it comes. ' +
        'The role that has the log of one machine open has to be stopped for it.',
    )
    .addOption(configOption())
    .addOption(spoolOption())
    .addOption(reasonOption())
    .option('--all', 'all of them')
    .action(async (ids: string[], options: Options & { all?: boolean; reason?: DeadLetterReason }) => {
      await redrive(io, ids, options);
      setExit(EXIT.nothingFound);
    });
  return command;
}

function spoolOption(): Option {
  return new Option('--spool', 'those of this host’s spool, not those on Kafka').default(false);
}

function reasonOption(): Option {
  return new Option('--reason <reason>', 'only those with this reason').choices(
    Object.keys(DEAD_LETTER_REASONS),
  );
}

/** What others wrote to the topic is told and passed over. */
async function* found(io: Io, log: Scanner): AsyncGenerator<Found> {
  for await (const record of log.scan('dead-letters')) {
    const letter = readOrWarn(io, record);
    if (letter !== null)
      yield { ...letter, id: `${record.partition}:${record.offset}`, at_us: record.appended_us };
  }
}

function readOrWarn(io: Io, record: LogRecord): DeadLetter | null {
  try {
    return readDeadLetter(record);
  } catch (error) {
    if (!(error instanceof MigrationAuditError)) throw error;
    warn(io, `${error.where}: ${error.message}`);
    return null;
  }
}

async function list(io: Io, options: Options & { format: Format; reason?: DeadLetterReason }): Promise<void> {
  const configuration = await configurationFor(io, options);
  await usingLog(configuration, { spool: options.spool, readOnly: true }, async (log) => {
    let count = 0;
    if (options.format === 'json') io.out.write('{"dead_letters":[');
    for await (const letter of found(io, log)) {
      if (options.reason !== undefined && letter.reason !== options.reason) continue;
      if (options.format === 'text') io.out.write(lineOf(letter));
      else if (options.format === 'ndjson')
        io.out.write(`${safeJson({ type: 'dead_letter', ...summaryOf(letter) })}\n`);
      else io.out.write(`${count === 0 ? '' : ','}\n${safeJson(summaryOf(letter))}`);
      count++;
    }
    if (options.format === 'json') io.out.write('\n]}\n');
    else if (options.format === 'text' && count === 0) io.out.write('There are no dead letters.\n');
  });
}

function summaryOf({ id, at_us, reason, detail, from, key, value }: Found) {
  const { appended_us, ...place } = from;
  return {
    id,
    at: timeOf(at_us),
    reason,
    detail,
    from: { ...place, appended: timeOf(appended_us) },
    key,
    bytes: value.length,
  };
}

function timeOf(us: number): string {
  return new Date(us / 1000).toISOString();
}

function lineOf({ id, at_us, reason, detail, from, value }: Found): string {
  const place = `${from.topic} ${from.partition}:${from.offset}`;
  return `${id}  ${timeOf(at_us)}  ${reason}  ${place}  ${value.length} bytes  ${printable(detail)}\n`;
}

async function show(io: Io, id: string, options: Options & { format: Format }): Promise<void> {
  const configuration = await configurationFor(io, options);
  await usingLog(configuration, { spool: options.spool, readOnly: true }, async (log) => {
    for await (const letter of found(io, log)) {
      if (letter.id !== id) continue;
      if (options.format === 'text') io.out.write(pageOf(letter));
      else io.out.write(`${safeJson({ ...summaryOf(letter), base64: letter.value.toString('base64') })}\n`);
      return;
    }
    throw notFound(id);
  });
}

const HEX_BYTES_MAX = 4096;
const HEX_PER_LINE = 16;

function pageOf(letter: Found): string {
  const { id, at_us, reason, detail, from, key, value } = letter;
  const head = [
    ['id', id],
    ['kept', timeOf(at_us)],
    ['reason', `${reason}: ${DEAD_LETTER_REASONS[reason]}`],
    ['detail', detail],
    [
      'was at',
      `${from.topic}, partition ${from.partition}, offset ${from.offset}, ${timeOf(from.appended_us)}`,
    ],
    ['key', key],
    ['bytes', String(value.length)],
  ].map(([name = '', text = '']) => `${name.padEnd(7)} ${printable(text)}\n`);
  const lines: string[] = [];
  for (let at = 0; at < Math.min(value.length, HEX_BYTES_MAX); at += HEX_PER_LINE) {
    const bytes = value.subarray(at, at + HEX_PER_LINE);
    const hex = bytes
      .toString('hex')
      .replaceAll(/(..)/g, '$1 ')
      .padEnd(3 * HEX_PER_LINE);
    const text = bytes.toString('latin1').replaceAll(/[^ -~]/g, '.');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex} ${text}\n`);
  }
  const more =
    value.length > HEX_BYTES_MAX ? `${value.length - HEX_BYTES_MAX} bytes more: --format json\n` : '';
  return `${head.join('')}\n${lines.join('')}${more}`;
}

async function redrive(
  io: Io,
  ids: readonly string[],
  options: Options & { all?: boolean; reason?: DeadLetterReason },
): Promise<void> {
  if (ids.length === 0 && options.all !== true && options.reason === undefined)
    throw new MigrationAuditError('MA_USAGE', '', 'name dead letters, a --reason, or --all');
  const configuration = await configurationFor(io, options);
  await usingLog(configuration, { spool: options.spool, readOnly: false }, async (log) => {
    const left = new Set(ids);
    let count = 0;
    for await (const { id, reason, from, key, value } of found(io, log)) {
      const isMeant =
        ids.length === 0 ? options.reason === undefined || options.reason === reason : left.delete(id);
      if (!isMeant) continue;
      await log.appendTo(from.topic, [{ key, value, id: null }]);
      count++;
    }
    io.out.write(`${count} appended again.\n`);
    for (const id of left) throw notFound(id);
  });
}

function notFound(id: string): MigrationAuditError {
  return new MigrationAuditError('MA_NO_DEAD_LETTER', id);
}
