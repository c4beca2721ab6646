import { printable } from '../../domain/byte-text.js';
import { clockTime, dateOf } from '../../domain/time.js';
import { padEnd, width, wrap } from './columns.js';
import { INDENT, type Page } from './page.js';
import type { Row } from './rows.js';
import { count, duration, show } from './words.js';

/**
 * A timeline with one lane per host, in the order of the report. That order is the one the records prove; times
 * compare down a lane, never across, as each is on its own host's clock.
 */

const TIME_COLUMNS = '01:11:48.345  '.length;
/** Narrower lanes would break every word; then hosts become a column of names. */
const LANE_COLUMNS_MIN = 20;
const TEXT_LENGTH_MAX = 240;

export const LEGEND = '✗ violation   ? undetermined   ! error or gap   • everything else';

/** @param hosts a lane for each, in this order; every row's host is among them */
export function renderLanes(page: Page, rows: readonly Row[], hosts: readonly string[]): string {
  const [first] = rows;
  if (first === undefined) return '';
  const columns = page.columns - INDENT.length - TIME_COLUMNS;
  const laneColumns = Math.floor(columns / hosts.length);
  const lanes =
    laneColumns >= LANE_COLUMNS_MIN ? { hosts, columns: laneColumns } : { hosts: null, columns: columns };
  let date = dateOf(first.entry.at_us);
  let text = header(page, date, lanes);
  for (const row of rows) {
    if (dateOf(row.entry.at_us) !== date) {
      date = dateOf(row.entry.at_us);
      text += `${INDENT}${page.style.title(date)}\n`;
    }
    text += renderRow(page, row, lanes);
  }
  return text;
}

/** `hosts: null` is one lane for all, with the host's name before the text. */
interface Lanes {
  hosts: readonly string[] | null;
  columns: number;
}

function header(page: Page, date: string, { hosts, columns }: Lanes): string {
  const names = hosts === null ? [] : hosts.map((host) => padEnd(cut(show(host), columns - 1), columns));
  return `${INDENT}${page.style.title(`${padEnd(date, TIME_COLUMNS)}${names.join('')}`.trimEnd())}\n`;
}

function renderRow({ style }: Page, row: Row, { hosts, columns }: Lanes): string {
  const mark = markOf(row);
  const paint = mark.alarm === null ? (text: string) => text : style[mark.alarm];
  const lines = wrap(rowText(row, hosts === null), columns - 3);
  const lanes = hosts ?? [row.entry.host];
  return lines
    .map((line, index) => {
      const isFirst = index === 0;
      const cells = lanes.map((lane) =>
        lane === row.entry.host
          ? `${paint(isFirst ? mark.sign : ' ')} ${paint(line)}${' '.repeat(Math.max(0, columns - 2 - width(line)))}`
          : style.faint('│') + ' '.repeat(columns - 1),
      );
      const time = style.faint(padEnd(isFirst ? clockTime(row.entry.at_us) : '', TIME_COLUMNS));
      return `${`${INDENT}${time}${cells.join('')}`.trimEnd()}\n`;
    })
    .join('');
}

function rowText(row: Row, withHost: boolean): string {
  const host = withHost ? `${show(row.entry.host)}: ` : '';
  return `${host}${printable(row.entry.text, TEXT_LENGTH_MAX)}${repetition(row)}`;
}

function repetition({ entry, times, last_us, varied }: Row): string {
  if (times === 1) return '';
  const span_ms = (last_us - entry.at_us) / 1000;
  const within = span_ms >= 1 ? ` within ${duration(span_ms)}` : '';
  return ` (${varied ? 'and the like, ' : ''}${count(times, 'time')}${within})`;
}

const MISHAPS: ReadonlySet<string> = new Set(['GuestIoError', 'AccessDenied', 'GapDetected']);

function markOf({ entry, relabel }: Row): { sign: string; alarm: 'alarm' | 'caution' | null } {
  if (relabel?.verdict === 'violation') return { sign: '✗', alarm: 'alarm' };
  if (relabel?.verdict === 'undetermined') return { sign: '?', alarm: 'caution' };
  return MISHAPS.has(entry.kind) ? { sign: '!', alarm: 'caution' } : { sign: '•', alarm: null };
}

function cut(text: string, columns: number): string {
  return width(text) <= columns ? text : `${text.slice(0, Math.max(1, columns - 1))}…`;
}
