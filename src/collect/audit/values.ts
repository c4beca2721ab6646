import type { ByteText } from '../../domain/byte-text.js';
import { ascii, matches } from './bytes.js';
import type { FieldCursor } from './field-cursor.js';
import type { TextCache } from './text-cache.js';

const NULL = ascii('(null)');
const QUESTION = 0x3f;

/**
 * Value of a field that the kernel writes as an untrusted string: quoted as it is, or bare upper-case hex.
 * Only for fields known to be such strings; a bare value elsewhere may look like hex and is none.
 *
 * @returns null for `(null)` and `?`, which stand for no value when they are not quoted
 */
export function untrustedText(field: FieldCursor, bytes: Buffer, texts: TextCache): ByteText | null {
  const { valueStart, valueEnd } = field;
  if (field.quoted)
    return valueEnd - valueStart === 1 && bytes[valueStart] === QUESTION
      ? null
      : texts.text(bytes, valueStart, valueEnd);
  if (isNothing(bytes, valueStart, valueEnd)) return null;
  return texts.hex(bytes, valueStart, valueEnd);
}

/** Value of a field that is written as it stands (contexts, uuids, reasons); null for `(null)`, `?` and nothing. */
export function plainText(field: FieldCursor, bytes: Buffer, texts: TextCache): ByteText | null {
  if (!field.quoted && isNothing(bytes, field.valueStart, field.valueEnd)) return null;
  return texts.text(bytes, field.valueStart, field.valueEnd);
}

function isNothing(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length === 0) return true;
  if (length === 1) return bytes[start] === QUESTION;
  return length === NULL.length && matches(bytes, start, NULL);
}
