import { Command } from 'commander';
import type { FindingReport, Report } from '../domain/report.js';
import type { Store } from '../store/store.js';
import { formatOption, fullOption, type OutputOptions, print } from './format.js';
import { EXIT, type Io, type SetExit } from './io.js';
import { storeOption, usingStore } from './store.js';
import { findingPage } from './text/finding-page.js';
import type { Page } from './text/page.js';
import { findingList } from './text/report-page.js';

interface Options extends OutputOptions {
  store: string;
  cluster?: string;
  guest?: string;
}

export function findingsCommand(io: Io, setExit: SetExit): Command {
  return new Command('findings')
    .summary('list the findings of a store, or show one')
    .description(
      'Lists the findings that are kept in a store, newest first, or shows one of them with its timeline and its ' +
        'records. Exits with 1 when there are findings.',
    )
    .argument('[id]', 'the finding to show, as F-346ef5262213')
    .addOption(storeOption(io))
    .addOption(formatOption())
    .addOption(fullOption())
    .option('--cluster <name>', 'only findings of this cluster')
    .option('--guest <guest>', 'only findings of this guest, by name or UUID')
    .action(async (id: string | undefined, options: Options) => {
      const report = await usingStore(options.store, (store) =>
        id === undefined ? listed(store, options) : single(store, id),
      );
      print(io, options, report, (page) => [textOf(page, report, id !== undefined)]);
      setExit(report.findings.length === 0 ? EXIT.nothingFound : EXIT.findings);
    });
}

/** As much of a report as the question was about. */
type Part = Pick<Report, 'findings'> & Partial<Report>;

async function listed(store: Store, { cluster, guest }: Options): Promise<Part> {
  const filter = { ...(cluster !== undefined && { cluster }), ...(guest !== undefined && { guest }) };
  const found = await store.findings({ ...filter, states: ['open', 'resolved'] });
  return { findings: found.map(asReported) };
}

async function single(store: Store, id: string): Promise<Report> {
  const found = await store.finding(id);
  const report = await store.report(found.cluster);
  return {
    hosts: report.hosts,
    migrations: report.migrations.filter((migration) => migration.id === found.migration),
    relabels: report.relabels.filter((relabel) => found.relabels.includes(relabel.id)),
    findings: [asReported(found)],
    timeline: await store.timelineOf({ finding: id }),
  };
}

/** What a later report no longer says is shown as settled: that is what it became. */
function asReported(stored: Awaited<ReturnType<Store['finding']>>): FindingReport {
  const { cluster: _, confirmed: __, waits_for: ___, ...found } = stored;
  return { ...found, state: found.state === 'retracted' ? 'resolved' : found.state };
}

function textOf(page: Page, report: Part, isSingle: boolean): string {
  const [first] = report.findings;
  if (first === undefined) return 'No findings.\n';
  if (!isSingle) return findingList(page, report.findings);
  return findingPage(page, first, { hosts: [], migrations: [], relabels: [], timeline: [], ...report });
}
