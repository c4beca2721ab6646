import { Command } from 'commander';
import { printable } from '../domain/byte-text.js';
import { MigrationAuditError } from '../domain/errors.js';
import { sourcesOfCapture } from '../replay/capture.js';
import { type NamedFile, sourcesOfNamedFiles } from '../replay/named-files.js';
import { type Replayed, type ReplayNotes, replay } from '../replay/replay.js';
import type { Sources } from '../replay/sources.js';
import { formatOption, fullOption, type OutputOptions, printReport } from './format.js';
import { type Io, type SetExit, warn } from './io.js';
import { namedFileOptions } from './named-file-options.js';
import { progressOver } from './progress.js';
import { keepingIn } from './store-access.js';

interface Options extends OutputOptions {
  cluster: string;
  store?: string;
  shared?: string[];
  local?: string[];
}

export function replayCommand(io: Io, setExit: SetExit): Command {
  const named: NamedFile[] = [];
  const command = new Command('replay')
    .summary('read logs, print findings with their timeline')
    .description(
      'Reads the logs of several hosts and prints what happened: findings first, each with what to run now, its ' +
        'timeline and its proof. Needs no server and changes nothing on any host.\n\n' +
        'A capture is a directory with one directory per host, which holds that host’s audit.log*, ' +
        'virsh-event.log*, qemu-monitor-event.log*, libvirtd*.log*, qemu-GUEST.log*, mountinfo, qemu.conf, ' +
        'domain-GUEST.xml … Every file is optional, may be rotated and may be gzipped.',
    )
    .argument('[capture...]', 'directories with one directory per host')
    .addOption(formatOption())
    .addOption(fullOption())
    .option('--store <directory>', 'also keep events, findings and timeline in an embedded store')
    .option('--cluster <name>', 'name of the group of hosts that migrate guests to each other', 'default')
    .option('--shared <path>', 'treat storage below this path as shared, whatever its mount says', gather)
    .option('--local <path>', 'treat storage below this path as local to its host', gather);
  for (const option of namedFileOptions(named)) command.addOption(option);
  return command
    .addHelpText('after', EXAMPLES)
    .action(async (captures: string[], options: Options) =>
      setExit(await runReplay(io, captures, named, options)),
    );
}

const EXAMPLES = `
Patterns may hold * and ?; quote them. Files of one option and host are one stream, oldest first.

Examples:
  migration-audit replay incident-4711
  migration-audit replay incident-4711 --format json | jq '.findings[].summary'
  migration-audit replay --audit 'hosta=a/audit.log*' --audit 'hostb=b/audit.log*' --events hosta=a/events.log`;

function gather(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

async function runReplay(io: Io, captures: string[], named: NamedFile[], options: Options): Promise<number> {
  if (captures.length === 0 && named.length === 0)
    throw new MigrationAuditError('MA_USAGE', 'replay', 'neither a capture nor a file was named');
  const parts = await Promise.all(captures.map(sourcesOfCapture));
  if (named.length > 0) parts.push(await sourcesOfNamedFiles(named));
  const sources: Sources = {
    hosts: parts.flatMap((part) => part.hosts),
    ignored: parts.flatMap((part) => part.ignored),
  };
  const { report, notes } = await replayWithProgress(io, sources, options);
  reportNotes(io, notes, options);
  const [only, ...others] = new Set(sources.hosts.map(({ host }) => host));
  if (only !== undefined && others.length === 0)
    io.err.write(
      `note: only ${printable(only)} was read; what other hosts ran takes their logs: name the directory above one per host\n`,
    );
  return printReport(io, options, report, notes);
}

async function replayWithProgress(io: Io, sources: Sources, options: Options): Promise<Replayed> {
  const progress = await progressOver(sources, io);
  const settings = {
    cluster: options.cluster,
    correlator: { sharedPaths: options.shared ?? [], localPaths: options.local ?? [] },
    signal: io.signal,
    onProgress: progress.add,
  };
  try {
    if (options.store === undefined) return await replay(sources, settings);
    return await keepingIn(options.store, options.cluster, (onEvents) =>
      replay(sources, { ...settings, onEvents }),
    );
  } finally {
    progress.stop();
  }
}

/** What was not read is said even where the output is for programs; that output itself is the events' alone. */
function reportNotes(io: Io, notes: ReplayNotes, { format }: Options): void {
  for (const error of notes.unreadable) warn(io, `${error.where}: ${error.message}; went on without it`);
  for (const { file, offset, reason } of notes.rejected) warn(io, `${file}, byte ${offset}: ${reason}`);
  const more = notes.rejected_lines - notes.rejected.length;
  if (more > 0) warn(io, `${more} more lines could not be read`);
  if (format !== 'text' && notes.ignored.length > 0)
    io.err.write(
      `note: ignored ${notes.ignored.length} files that are no log we know, as ${printable(notes.ignored[0] as string)}\n`,
    );
}
