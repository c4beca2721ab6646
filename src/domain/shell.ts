import { type ByteText, bytesOf } from './byte-text.js';

/**
 * A word that a POSIX shell reads back as exactly these bytes, and a terminal shows without acting on it.
 * Plain names stay as they are; hostile ones become `$'…'` with every unusual byte escaped (bash, ksh, zsh, and
 * sh of POSIX 2024; an older dash has no such quotes). Octal, because POSIX leaves open where `\xff9` ends.
 */
export function shellWord(text: ByteText): string {
  if (text !== '' && /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) && !text.startsWith('-')) return text;
  if (/^[ -~]*$/.test(text)) return `'${text.replaceAll("'", `'\\''`)}'`;
  let quoted = "$'";
  for (const byte of bytesOf(text)) {
    if (byte === 0x27 || byte === 0x5c) quoted += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) quoted += String.fromCharCode(byte);
    else quoted += `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return `${quoted}'`;
}
