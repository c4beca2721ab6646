import { printable } from '../../domain/byte-text.js';
import type { FindingReport, RelabelReport, Report } from '../../domain/report.js';
import { rfc3339 } from '../../domain/time.js';
import { PROOFS, type Verdict } from '../../domain/verdict.js';
import { wrap } from './columns.js';
import { findingHistory, omission } from './history.js';
import { body, field, heading, type Page } from './page.js';
import { duration, guestName, imageName, labelText, show } from './words.js';

/** One finding as somebody wants to read it who was just woken up: what, what to run, how it went, then why. */
export function findingPage(page: Page, finding: FindingReport, report: Report): string {
  return (
    headline(page, finding) +
    body(page, sentence(finding.impact.text)) +
    commands(page, finding) +
    (isAboutEvents(finding) ? findingHistory(page, finding, report) : '') +
    reasons(page, finding) +
    prevention(page, finding) +
    records(page, finding, report)
  );
}

/** `VIOLATION` or `SUSPECTED`, with the sentence that says what happened. */
export function headline(page: Page, finding: FindingReport): string {
  const { style } = page;
  const paint = finding.verdict === 'violation' ? style.alarm : style.caution;
  const [first = '', ...rest] = wrap(`${findingWord(finding)}  ${sentence(finding.summary)}`, page.columns);
  return `${paint(style.title(first))}\n${rest.map((line) => `${paint(style.title(line))}\n`).join('')}`;
}

/** A finding is an accusation, a suspicion, or neither: a fact worth knowing. */
export function findingWord({ verdict }: FindingReport): string {
  return verdict === 'violation' ? 'VIOLATION' : verdict === 'undetermined' ? 'SUSPECTED' : 'NOTICE';
}

const SENTENCE_LENGTH_MAX = 600;

function sentence(text: string): string {
  return printable(text, SENTENCE_LENGTH_MAX);
}

/** Not every finding is about something that happened: some are about how a host is set up. */
function isAboutEvents({ relabels, verdict }: FindingReport): boolean {
  return relabels.length > 0 || verdict !== 'clean';
}

function exposure(finding: FindingReport): string {
  const since = `since ${rfc3339(finding.opened_us)} on the clock of ${show(finding.host)}`;
  if (finding.state === 'open') return `${since}, still open at the end of the records`;
  return finding.exposure_ms === null
    ? `${since}, resolved since`
    : `${since}, resolved after ${duration(finding.exposure_ms)}`;
}

/** Commands stand alone on their lines and are never wrapped: they are there to be copied. */
function commands(page: Page, { remedy, verdict }: FindingReport): string {
  const hosts = [...new Set(remedy.commands.map(({ host }) => host))];
  let text = heading(page, 'RUN NOW');
  if (hosts.length === 0) text += body(page, NO_COMMAND[verdict]);
  for (const host of hosts) {
    text += `  on ${page.style.title(show(host))}:\n`;
    for (const { command } of remedy.commands.filter((item) => item.host === host))
      text += `    ${page.style.command(printable(command, COMMAND_LENGTH_MAX))}\n`;
  }
  return text;
}

function prevention(page: Page, { remedy }: FindingReport): string {
  return heading(page, 'SO THAT IT DOES NOT COME BACK') + body(page, sentence(remedy.prevention));
}

const NO_COMMAND: Record<Verdict, string> = {
  violation: 'Nothing: access has been restored, or no command can restore it.',
  undetermined: 'Nothing yet: what is missing has to be settled first; see below.',
  clean: 'Nothing: nobody has been hurt.',
};

/** A command that was cut would be a wrong command. */
const COMMAND_LENGTH_MAX = 65_536;

function reasons(page: Page, finding: FindingReport): string {
  let text = heading(page, 'WHY, AND HOW SURE') + body(page, sentence(finding.explanation));
  for (const proof of finding.proof) text += body(page, `Proved by ${proof}: ${PROOFS[proof]}.`);
  if (finding.verdict === 'undetermined')
    text += body(page, 'Not proved: the records leave it open, so this is a suspicion and no accusation.');
  for (const missing of finding.missing) {
    const from = missing.host === null ? '' : ` of ${show(missing.host)}`;
    text += body(page, `Missing: ${missing.what}${from}: ${sentence(missing.text)}`);
  }
  return `${text}\n${facts(page, finding)}`;
}

function facts(page: Page, finding: FindingReport): string {
  const uuid = finding.guest.uuid === null ? '' : ` (${show(finding.guest.uuid)})`;
  const owner = finding.owner === null ? 'owner unknown' : `owner ${show(finding.owner)}`;
  return (
    field(page, 'finding', `${show(finding.id)}, ${finding.severity}, ${finding.cause}`) +
    field(
      page,
      'guest',
      `${guestName(finding.guest)}${uuid}, ${owner}, ${isAboutEvents(finding) ? 'relabelled by' : 'seen on'} ${show(finding.host)}`,
    ) +
    field(page, 'image', finding.images.map(imageName).join(', ') || 'unknown') +
    field(page, 'exposure', exposure(finding))
  );
}

const RELABELS_WITNESSED_MAX = 3;

/** The raw lines behind the relabels of the finding, as they were logged. */
function records(page: Page, finding: FindingReport, report: Report): string {
  const relabels = report.relabels.filter((relabel) => finding.relabels.includes(relabel.id));
  if (relabels.length === 0) return '';
  const witnessOf = new Map(report.timeline.map((entry) => [entry.event, entry.witness]));
  const shown = page.full ? relabels : relabels.slice(0, RELABELS_WITNESSED_MAX);
  let text = heading(page, 'THE RECORDS');
  for (const relabel of shown) {
    text += body(page, relabelSentence(relabel));
    for (const line of witnessOf.get(relabel.id) ?? []) text += page.style.faint(witness(page, line));
  }
  const more = relabels.length - shown.length;
  return text + omission(page, more, more === 1 ? 'relabel more' : 'relabels more');
}

function relabelSentence(relabel: RelabelReport): string {
  const program = relabel.actor.exe ?? relabel.actor.comm;
  const by = program === null ? '' : ` by ${show(program)}`;
  const pid = relabel.actor.pid === null ? '' : ` (pid ${relabel.actor.pid})`;
  return (
    `${show(relabel.host)}, audit serial ${relabel.serial}: ${relabel.call} of ${imageName(relabel.image)}` +
    `${by}${pid}, from ${labelText(relabel.before)} to ${labelText(relabel.after)}, ${relabel.effect}`
  );
}

/** A SYSCALL line without its interpretations is about this long, and all of it can matter. */
const WITNESS_LENGTH_MAX = 440;

/** An enriched audit line repeats itself in names after 0x1d; its numbers are the record. */
function witness(page: Page, line: string): string {
  const indent = '    ';
  const record = page.full ? line : (line.split('\x1d', 1)[0] ?? '');
  const text = printable(record, page.full ? Number.POSITIVE_INFINITY : WITNESS_LENGTH_MAX);
  return wrap(text, page.columns - indent.length)
    .map((part) => `${indent}${part}\n`)
    .join('');
}
