import type { ByteText } from '../../domain/byte-text.js';
import { APOSTROPHE, ascii, decimal, GROUP_SEPARATOR } from './bytes.js';
import { FieldCursor, keyOf } from './field-cursor.js';
import type { TextCache } from './text-cache.js';
import { plainText, untrustedText } from './values.js';

const MESSAGE = Buffer.from(ascii("msg='"));
const PID = keyOf('pid');

/** Names of fields in a user record's message that are quoted or hex; all others stand as they are. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'vm',
  'exe',
  'comm',
  ...['disk', 'kernel', 'initrd', 'dtb', 'nvram'].flatMap((resource) => [
    `old-${resource}`,
    `new-${resource}`,
  ]),
]);

/** A record that a daemon wrote: `pid=… subj=… msg='k=v … res=success'`. */
export interface UserRecord {
  /** the process that wrote it */
  pid: number | null;
  /** fields of the message; absent, `?` and `(null)` are not there. The first of equal names counts. */
  fields: ReadonlyMap<string, ByteText>;
}

/**
 * The message may hold apostrophes: it ends at the last one before 0x1d or the end of the line.
 *
 * @returns null when the message does not end
 */
export function readUserRecord(
  bytes: Buffer,
  start: number,
  end: number,
  texts: TextCache,
): UserRecord | null {
  const body = bytes.subarray(start, end);
  const separator = body.indexOf(GROUP_SEPARATOR);
  const text = separator < 0 ? body : body.subarray(0, separator);
  const open = text.indexOf(MESSAGE);
  const close = text.lastIndexOf(APOSTROPHE);
  if (open < 0 || close < open + MESSAGE.length) return null;
  const field = new FieldCursor();
  let pid: number | null = null;
  field.start(text, 0, open);
  while (pid === null && field.next())
    if (field.key === PID) pid = decimal(text, field.valueStart, field.valueEnd);
  const fields = new Map<string, ByteText>();
  field.start(text, open + MESSAGE.length, close);
  while (field.next()) {
    const name = texts.text(text, field.keyStart, field.keyEnd);
    const value = UNTRUSTED.has(name) ? untrustedText(field, text, texts) : plainText(field, text, texts);
    if (value !== null && !fields.has(name)) fields.set(name, value);
  }
  if (field.broken) return null;
  return { pid: pid === null || pid < 0 ? null : pid, fields };
}
