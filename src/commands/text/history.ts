import type { FindingReport, Report, TimelineEntry } from '../../domain/report.js';
import { LEGEND, renderLanes } from './lanes.js';
import { body, heading, type Page } from './page.js';
import { excerptAround, type Row, rowsOf } from './rows.js';

/** The section WHAT HAPPENED. */

/** How it went for the guest of a finding, around what the finding is about. */
export function findingHistory(page: Page, finding: FindingReport, report: Report): string {
  const entries = report.timeline.filter((entry) => concerns(entry, finding));
  // The owner has a lane even when it recorded nothing: that it was silent is what the reader needs to see.
  const parties = [finding.host, finding.owner].filter((host) => host !== null);
  const hasRelabels = finding.relabels.length > 0;
  return history(page, rowsOf(entries, report.relabels), parties, (row) =>
    hasRelabels
      ? finding.relabels.includes(row.entry.event)
      : row.entry.host === finding.host && row.entry.at_us >= finding.opened_us,
  );
}

/** All of a report's timeline, shortened only in the middle of nowhere: around the relabels in it. */
export function wholeHistory(page: Page, report: Report): string {
  return history(page, rowsOf(report.timeline, report.relabels), [], () => true);
}

function history(
  page: Page,
  rows: Row[],
  parties: readonly string[],
  matters: (row: Row) => boolean,
): string {
  const shown = page.full ? { rows, earlier: 0, later: 0 } : excerptAround(rows, matters);
  const hosts = [...new Set([...parties, ...shown.rows.map((row) => row.entry.host)])].sort();
  return (
    heading(page, 'WHAT HAPPENED', 'UTC, each host by its own clock: times compare down a lane, not across') +
    omission(page, shown.earlier, 'earlier') +
    renderLanes(page, shown.rows, hosts) +
    omission(page, shown.later, 'later') +
    page.style.faint(body(page, LEGEND))
  );
}

function concerns(entry: TimelineEntry, finding: FindingReport): boolean {
  if (entry.guest === null || finding.relabels.includes(entry.event)) return true;
  return finding.guest.uuid !== null && entry.guest.uuid !== null
    ? entry.guest.uuid === finding.guest.uuid
    : entry.guest.name === finding.guest.name;
}

/** A line that says what was left out, and how to see it; nothing when nothing was. */
export function omission(page: Page, number: number, which: string): string {
  return number === 0 ? '' : page.style.faint(`  … ${number} ${which} not shown; --full shows all\n`);
}
