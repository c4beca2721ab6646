import { printable } from '../../domain/byte-text.js';
import type { FindingReport, HostReport, Report } from '../../domain/report.js';
import { clockTime, dateOf } from '../../domain/time.js';
import { REASONS, type Verdict } from '../../domain/verdict.js';
import type { ReplayNotes } from '../../replay/replay.js';
import { findingPage, findingWord, headline } from './finding-page.js';
import { wholeHistory } from './history.js';
import { body, field, heading, type Page } from './page.js';
import { count, guestName, show } from './words.js';

/**
 * A whole report as text: what happened and what to run, then how it went, then why; and always what was looked
 * at and what could not be seen.
 */
export function* reportPage(page: Page, report: Report, notes: ReplayNotes | null): Generator<string> {
  const { findings } = report;
  if (findings.length === 0) yield nothingFound(page, report);
  if (findings.length > 1) yield findingList(page, findings);
  for (const [index, finding] of findings.entries()) {
    if (findings.length > 1)
      yield `\n${page.style.faint(rule(page, ` ${index + 1} of ${findings.length} `))}\n\n`;
    yield findingPage(page, finding, report);
  }
  if (findings.length === 0 && page.full) yield wholeHistory(page, report);
  yield lookedAt(page, report, notes);
}

/** One line or two for each finding. */
export function findingList(page: Page, findings: readonly FindingReport[]): string {
  const kinds = Object.entries(FINDING_NOUNS).flatMap(([word, noun]) => {
    const number = findings.filter((finding) => findingWord(finding) === word).length;
    return number === 0 ? [] : [count(number, noun)];
  });
  let text = `${page.style.title(count(findings.length, 'finding'))}: ${kinds.join(', ')}\n`;
  for (const finding of findings) {
    text += `\n${headline(page, finding)}`;
    text += page.style.faint(
      body(page, `${show(finding.id)}  ${finding.cause}, ${finding.severity}, ${finding.state}`),
    );
  }
  return text;
}

const FINDING_NOUNS = { VIOLATION: 'violation', SUSPECTED: 'suspicion', NOTICE: 'notice' };

function rule(page: Page, title: string): string {
  return `──${title}${'─'.repeat(Math.max(0, page.columns - title.length - 2))}`;
}

function nothingFound(page: Page, report: Report): string {
  return `${page.style.good(page.style.title('NOTHING FOUND'))}\n${body(page, nothingFoundSentence(report))}`;
}

function nothingFoundSentence({ relabels }: Report): string {
  if (relabels.length === 0) return 'No relabel of a guest’s image was seen, so there was none to judge.';
  const open = relabels.filter((relabel) => relabel.verdict === 'undetermined').length;
  const judged = `${count(relabels.length, 'relabel')} of files of guests ${relabels.length === 1 ? 'was' : 'were'} judged`;
  return open === 0
    ? `${judged}, and none hurt a running guest.`
    : `${judged}; none is known to have hurt a running guest, but of ${open} the records do not tell.`;
}

function lookedAt(page: Page, report: Report, notes: ReplayNotes | null): string {
  let text = heading(page, 'WHAT WAS LOOKED AT');
  for (const host of report.hosts) text += field(page, show(host.host), hostSentence(host));
  for (const migration of report.migrations)
    text += field(
      page,
      'migration',
      `${guestName(migration.guest)} from ${migration.from === null ? 'an unknown host' : show(migration.from)} to ${migration.to === null ? 'an unknown host' : show(migration.to)}: ${migration.outcome}; ${printable(migration.text)}`,
    );
  text += verdicts(page, report);
  text += unseen(page, report, notes);
  return text;
}

function hostSentence({ events, first_us, last_us }: HostReport): string {
  if (first_us === null || last_us === null) return count(events, 'event');
  const lastDate = dateOf(last_us) === dateOf(first_us) ? '' : `${dateOf(last_us)} `;
  return `${count(events, 'event')} from ${dateOf(first_us)} ${clockTime(first_us)} to ${lastDate}${clockTime(last_us)} UTC`;
}

/** `7 relabels: 1 violation, 6 clean`, then why, reason by reason. */
function verdicts(page: Page, report: Report): string {
  if (report.relabels.length === 0) return '';
  const verdictsInOrder: Verdict[] = ['violation', 'undetermined', 'clean'];
  const parts = verdictsInOrder.flatMap((verdict) => {
    const number = report.relabels.filter((relabel) => relabel.verdict === verdict).length;
    return number === 0 ? [] : [`${number} ${verdict}`];
  });
  let text = field(page, 'relabels', `${report.relabels.length} judged: ${parts.join(', ')}`);
  for (const reason of new Set(report.relabels.map((relabel) => relabel.reason))) {
    const number = report.relabels.filter((relabel) => relabel.reason === reason).length;
    text += field(page, '', `${number} × ${reason}: ${REASONS[reason]}`, page.style.faint);
  }
  return text;
}

/** One line for each kind of gap of a host; a damaged log has hundreds. */
function gaps(page: Page, host: HostReport): string {
  let text = '';
  for (const kind of new Set(host.gaps.map((gap) => gap.kind))) {
    const same = host.gaps.filter((gap) => gap.kind === kind);
    const texts = [...new Set(same.map((gap) => printable(gap.text)))];
    const times = same.length === 1 ? '' : ` (${count(same.length, 'time')})`;
    const more = texts.length > GAP_TEXTS_SHOWN_MAX ? '; and others' : '';
    text += field(
      page,
      show(host.host),
      `${kind}${times}: ${texts.slice(0, GAP_TEXTS_SHOWN_MAX).join('; ')}${more}`,
      page.style.caution,
    );
  }
  return text;
}

const GAP_TEXTS_SHOWN_MAX = 3;

const IGNORED_SHOWN_MAX = 8;

function unseen(page: Page, report: Report, notes: ReplayNotes | null): string {
  const { style } = page;
  let text = heading(page, 'WHAT COULD NOT BE SEEN');
  const before = text;
  for (const host of report.hosts) text += gaps(page, host);
  if (report.hosts.length === 1)
    text += field(
      page,
      'peers',
      'only one host was read; who owned a guest elsewhere is known only where this host proves it',
    );
  if (text === before) text += body(page, 'No gap is known in what was read.');
  if (notes === null) return text;
  if (notes.rejected_lines > 0)
    text += field(
      page,
      'unread',
      `${count(notes.rejected_lines, 'line')} that no reader understood`,
      style.caution,
    );
  if (notes.unconcerned_relabels > 0)
    text += field(
      page,
      'passed by',
      `${count(notes.unconcerned_relabels, 'relabel')} of files that no record ties to a guest`,
      style.faint,
    );
  if (notes.ignored.length > 0) text += field(page, 'ignored', ignoredSentence(notes.ignored), style.faint);
  return text;
}

function ignoredSentence(paths: readonly string[]): string {
  const names = [...new Set(paths.map((path) => show(path.slice(path.lastIndexOf('/') + 1))))];
  const more = names.length > IGNORED_SHOWN_MAX ? ' …' : '';
  return `${count(paths.length, 'file')} that are no log we know: ${names.slice(0, IGNORED_SHOWN_MAX).join(', ')}${more}`;
}
