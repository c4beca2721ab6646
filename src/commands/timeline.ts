import { Command } from 'commander';
import { MigrationAuditError } from '../domain/errors.js';
import type { Report, TimelineEntry } from '../domain/report.js';
import type { StoreReader } from '../store/socket.js';
import { formatOption, fullOption, type OutputOptions, print } from './format.js';
import { EXIT, type Io, type SetExit } from './io.js';
import { type StoreOptions, storeOptions, usingStore } from './store-access.js';
import { wholeHistory } from './text/history.js';

interface Options extends OutputOptions, StoreOptions {
  cluster?: string;
}

/** What `replay --store` calls the hosts when it is told no name. */
const UNNAMED_CLUSTER = 'default';

export function timelineCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('timeline');
  for (const option of storeOptions(io)) command.addOption(option);
  return command
    .summary('show what happened to a guest, or around a migration or finding')
    .description(
      'Shows what a store keeps about a guest, or about the time around a migration or a finding, with a lane ' +
        'for each host.',
    )
    .argument('<name>', 'a guest by name or UUID, a migration or a finding by id')
    .addOption(formatOption())
    .addOption(fullOption())
    .option(
      '--cluster <name>',
      `cluster whose verdicts mark the relabels; that of the configuration, else "${UNNAMED_CLUSTER}"`,
    )
    .action(async (name: string, options: Options) => {
      const report = await usingStore(io, options, async (store, configured): Promise<Report> => {
        const timeline = await timelineNamed(store, name);
        const { relabels } = await store.report(options.cluster ?? configured ?? UNNAMED_CLUSTER);
        return { hosts: [], migrations: [], relabels, findings: [], timeline };
      });
      const { timeline } = report;
      print(io, options, { timeline }, (page) => [wholeHistory(page, report).trimStart()]);
      setExit(EXIT.nothingFound);
    });
}

/** Ids are looked for first; a guest that is named like one has its UUID, too. */
async function timelineNamed(store: StoreReader, name: string): Promise<TimelineEntry[]> {
  for (const of of [{ finding: name }, { migration: name }, { guest: name }]) {
    try {
      return await store.timelineOf(of);
    } catch (error) {
      if (!(error instanceof MigrationAuditError && error.code === 'MA_NOT_IN_STORE')) throw error;
    }
  }
  throw new MigrationAuditError('MA_NOT_IN_STORE', name);
}
