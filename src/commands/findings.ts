import { Command } from 'commander';
import type { FindingReport, Report } from '../domain/report.js';
import type { StoreReader } from '../store/socket.js';
import { formatOption, fullOption, type OutputOptions, print } from './format.js';
import { EXIT, type Io, type SetExit } from './io.js';
import { type StoreOptions, storeOptions, usingStore } from './store-access.js';
import { findingPage } from './text/finding-page.js';
import { body, type Page } from './text/page.js';
import { findingList } from './text/report-page.js';
import { show } from './text/words.js';

interface Options extends OutputOptions, StoreOptions {
  cluster?: string;
  guest?: string;
}

export function findingsCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('findings');
  for (const option of storeOptions(io)) command.addOption(option);
  return command
    .summary('list the findings of a store, or show one')
    .description(
      'Lists the findings that are kept in a store, newest first, or shows one of them with its timeline and its ' +
        'records. Exits with 1 when there are findings.',
    )
    .argument('[id]', 'the finding to show, as F-346ef5262213')
    .addOption(formatOption())
    .addOption(fullOption())
    .option('--cluster <name>', 'only findings of this cluster')
    .option('--guest <guest>', 'only findings of this guest, by name or UUID')
    .action(async (id: string | undefined, options: Options) => {
      const report = await usingStore(io, options, (store) =>
        id === undefined ? listed(store, options) : single(store, id),
      );
      print(io, options, report, (page) => [textOf(page, report, id !== undefined)]);
      setExit(report.findings.length === 0 ? EXIT.nothingFound : EXIT.findings);
    });
}

/** A finding with what only the live processor can say of it. */
type Confirmable = FindingReport & { confirmed: boolean | null; waits_for: string[] };

/** As much of a report as the question was about. */
type Part = { findings: Confirmable[] } & Partial<Report>;

async function listed(store: StoreReader, { cluster, guest }: Options): Promise<Part> {
  const filter = { ...(cluster !== undefined && { cluster }), ...(guest !== undefined && { guest }) };
  const found = await store.findings({ ...filter, states: ['open', 'resolved'] });
  return { findings: found.map(asReported) };
}

async function single(store: StoreReader, id: string): Promise<Part & Report> {
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
function asReported({ cluster: _, ...found }: Awaited<ReturnType<StoreReader['finding']>>): Confirmable {
  return { ...found, state: found.state === 'retracted' ? 'resolved' : found.state };
}

function textOf(page: Page, report: Part, isSingle: boolean): string {
  const [first] = report.findings;
  if (first === undefined) return 'No findings.\n';
  const text = isSingle
    ? findingPage(page, first, { hosts: [], migrations: [], relabels: [], timeline: [], ...report })
    : findingList(page, report.findings);
  return text + provisionalText(page, report.findings);
}

/** Which of them may still change, and who would have to speak. */
function provisionalText(page: Page, findings: readonly Confirmable[]): string {
  return findings
    .filter(({ confirmed }) => confirmed === false)
    .map(({ id, waits_for }) =>
      body(
        page,
        `${show(id)} is provisional: ${waits_for.map((host) => show(host)).join(', ')} may still send what changes it`,
      ),
    )
    .map((line, index) => (index === 0 ? `\n${line}` : line))
    .join('');
}
