import type { ByteText } from '../domain/byte-text.js';

/**
 * Text of logs as the store's columns hold it: nothing in it acts on a terminal, all of it is UTF-8, and the bytes it
 * came from can be told back. A backslash is doubled; a byte that is not UTF-8, and a character that does not show, is
 * `\xNN` or `\u{N}`.
 */

/** Backslash; controls; direction marks, separators, invisibles; surrogates without their half; tags. */
const TO_ESCAPE =
  /[\\\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\p{Cs}\u{e0000}-\u{e0fff}]/gu;
const ESCAPED = /\\(?:\\|x([0-9a-f]{2})|u\{([0-9a-f]{1,6})\})/g;

/** A byte that is not UTF-8 stands in a ByteText as U+DC00 + the byte. */
const BYTE_BASE = 0xdc00;

export function escapeText(text: ByteText): string {
  return text.replace(TO_ESCAPE, (character) => {
    if (character === '\\') return '\\\\';
    const point = character.codePointAt(0) as number;
    if (point < 0x80) return `\\x${hex(point)}`;
    return point >= BYTE_BASE + 0x80 && point <= BYTE_BASE + 0xff
      ? `\\x${hex(point - BYTE_BASE)}`
      : `\\u{${point.toString(16)}}`;
  });
}

/** The text that `escapeText` was given. */
export function unescapeText(escaped: string): ByteText {
  return escaped.replace(ESCAPED, (sequence, byte?: string, point?: string) => {
    if (point !== undefined) return String.fromCodePoint(Number.parseInt(point, 16));
    if (byte === undefined) return sequence.slice(1);
    const value = Number.parseInt(byte, 16);
    return String.fromCharCode(value < 0x80 ? value : BYTE_BASE + value);
  });
}

/** The form of a column: '' where nothing is known. */
export function textOrEmpty(text: ByteText | null): string {
  return text === null ? '' : escapeText(text);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
