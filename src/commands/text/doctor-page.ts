import type { Item } from '../../collect/doctor/condition.js';
import { printable } from '../../domain/byte-text.js';
import { paragraph } from './columns.js';
import { INDENT, type Page } from './page.js';

const WORDS: Record<Item['state'], string> = {
  well: 'well',
  weak: 'weak',
  missing: 'MISSING',
  unknown: 'unknown',
};
const STATE_COLUMNS = 9;
const PROSE_COLUMNS_MAX = 110;
const BELOW = INDENT + ' '.repeat(STATE_COLUMNS);

/** What was looked at, worst first, then how much of it is well. */
export function doctorPage(page: Page, items: readonly Item[]): string {
  const parts = ORDER.flatMap((state) => items.filter((item) => item.state === state)).map((item) =>
    itemOf(page, item),
  );
  return `${parts.join('')}\n${summary(page, items)}`;
}

const ORDER: readonly Item['state'][] = ['missing', 'weak', 'unknown', 'well'];

function itemOf(page: Page, { state, title, found, costs, mend }: Item): string {
  const columns = Math.min(page.columns, PROSE_COLUMNS_MAX);
  const [first = '', ...rest] = lines(`${title}: ${found}`, columns, BELOW);
  const head = `${INDENT}${paint(page, state)(WORDS[state].padEnd(STATE_COLUMNS))}${first.slice(BELOW.length)}`;
  const body = state === 'well' ? [] : [...named(page, 'costs', costs), ...named(page, 'mend', mend)];
  return [head, ...rest, ...body].map((line) => `${line}\n`).join('');
}

function named(page: Page, name: string, text: string | null): string[] {
  if (text === null) return [];
  const indent = `${BELOW}${' '.repeat(7)}`;
  const [first = '', ...rest] = lines(text, Math.min(page.columns, PROSE_COLUMNS_MAX), indent);
  return [`${BELOW}${page.style.faint(name.padEnd(7))}${first.slice(indent.length)}`, ...rest];
}

function lines(text: string, columns: number, indent: string): string[] {
  return paragraph(printable(text), columns, indent).split('\n').slice(0, -1);
}

function paint({ style }: Page, state: Item['state']): (text: string) => string {
  if (state === 'well') return style.good;
  return state === 'missing' ? style.alarm : style.caution;
}

function summary({ style }: Page, items: readonly Item[]): string {
  const count = (state: Item['state']) => items.filter((item) => item.state === state).length;
  const missing = count('missing');
  const rest = `${count('well')} well, ${count('weak')} weak, ${count('unknown')} unknown`;
  if (missing === 0) return `${style.good('This host can be collected from.')} ${rest}.\n`;
  return `${style.alarm(`${missing} missing: verdicts are lost on this host.`)} ${rest}.\n`;
}
