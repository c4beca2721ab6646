import { paragraph } from './columns.js';
import type { Style } from './style.js';

/** What every part of the text output needs to know about where it is shown. */
export interface Page {
  style: Style;
  columns: number;
  /** show everything: no timeline is shortened, no witness is cut */
  full: boolean;
}

export const INDENT = '  ';

/** A blank line and a title; a note follows it where it fits, else below it. */
export function heading(page: Page, title: string, note = ''): string {
  if (note === '') return `\n${page.style.title(title)}\n`;
  return title.length + 2 + note.length <= page.columns
    ? `\n${page.style.title(title)}  ${page.style.faint(note)}\n`
    : `\n${page.style.title(title)}\n${page.style.faint(body(page, note))}`;
}

/** Sentences are hard to read when they run across a wide screen; tables and timelines are not. */
const PROSE_COLUMNS_MAX = 110;

/** A paragraph at the usual indent. */
export function body(page: Page, text: string): string {
  return paragraph(text, Math.min(page.columns, PROSE_COLUMNS_MAX), INDENT);
}

const NAME_COLUMNS = 10;

/** `  name      text`, the text wrapped under itself. */
export function field(page: Page, name: string, text: string, paint = (line: string) => line): string {
  const indent = INDENT + ' '.repeat(NAME_COLUMNS);
  return paragraph(text, Math.min(page.columns, PROSE_COLUMNS_MAX), indent)
    .split('\n')
    .map((line, index) => {
      if (line === '') return line;
      const label = index === 0 ? page.style.faint(name.padEnd(NAME_COLUMNS)) : ' '.repeat(NAME_COLUMNS);
      return `${INDENT}${label}${paint(line.slice(indent.length))}`;
    })
    .join('\n');
}
