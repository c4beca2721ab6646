import type { ByteText } from '../../domain/byte-text.js';

type Quote = "'" | '"';

/**
 * Splits what virCommandToString and virBufferEscapeShell print: words between blanks, `'…'` taken raw, `\` before
 * one character or at the end of a line. Nothing is expanded. A quote that stays open ends with the text.
 */
export function splitShellWords(text: ByteText): ByteText[] {
  const words: ByteText[] = [];
  let word: ByteText | null = null;
  let i = 0;
  while (i < text.length) {
    const char = text[i] as string;
    if (char === ' ' || char === '\n' || char === '\t') {
      if (word !== null) words.push(word);
      word = null;
      i++;
    } else if (char === "'" || char === '"') {
      const close = text.indexOf(char, i + 1);
      const end = close === -1 ? text.length : close;
      word = (word ?? '') + text.slice(i + 1, end);
      i = end + 1;
    } else if (char === '\\') {
      const escaped = text[i + 1] ?? '';
      if (escaped !== '\n') word = (word ?? '') + escaped;
      i += 2;
    } else {
      const end = indexOfSpecial(text, i);
      word = (word ?? '') + text.slice(i, end);
      i = end;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

/** The quote that is open after `line`, when `open` was before it. */
export function openQuoteAfter(line: ByteText, open: Quote | null): Quote | null {
  let quote = open;
  let i = 0;
  while (i < line.length) {
    if (quote !== null) {
      const close = line.indexOf(quote, i);
      if (close === -1) return quote;
      quote = null;
      i = close + 1;
      continue;
    }
    i = indexOfSpecial(line, i);
    const char = line[i];
    if (char === '\\') i++;
    else if (char === "'" || char === '"') quote = char;
    i++;
  }
  return quote;
}

const SPECIAL = /[ \t\n'"\\]/g;

function indexOfSpecial(text: string, from: number): number {
  SPECIAL.lastIndex = from;
  return SPECIAL.exec(text)?.index ?? text.length;
}
