/** Text measured and cut in terminal columns. Expects text without control characters, as `printable` gives it. */

const ZERO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u;
const DOUBLE_WIDTH =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const ASCII_ONLY = /^[\x20-\x7e]*$/;

export function width(text: string): number {
  if (ASCII_ONLY.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += widthOf(character);
  return columns;
}

function widthOf(character: string): number {
  if (ZERO_WIDTH.test(character)) return 0;
  return DOUBLE_WIDTH.test(character) ? 2 : 1;
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)));
}

/** Breaks text into lines of at most `columns`, between words where it can, inside long words where it must. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (width(joined) <= columns) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    const pieces = pieceOut(word, columns);
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? '';
  }
  lines.push(line);
  return lines;
}

/** Long words are mostly paths: break behind a slash when one stands in the later half. */
function pieceOut(word: string, columns: number): string[] {
  const pieces: string[] = [];
  let rest = word;
  while (width(rest) > columns) {
    const fitting = prefix(rest, columns);
    const slash = fitting.lastIndexOf('/');
    const piece = slash > fitting.length / 2 ? fitting.slice(0, slash + 1) : fitting;
    pieces.push(piece);
    rest = rest.slice(piece.length);
  }
  return [...pieces, rest];
}

/** The longest beginning of at most `columns`; at least one character, so that callers always get on. */
function prefix(text: string, columns: number): string {
  let used = 0;
  let length = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > columns && length > 0) break;
    length += character.length;
  }
  return text.slice(0, length);
}

/** Wrapped and indented, ready to print. */
export function paragraph(text: string, columns: number, indent = ''): string {
  return wrap(text, Math.max(20, columns - indent.length))
    .map((line) => `${indent}${line}\n`)
    .join('');
}
