/** ASCII codes and number readers for log bytes. Nothing here allocates. */

/** ENRICHED: parts the kernel's text from auditd's interpretation of it */
export const GROUP_SEPARATOR = 0x1d;
export const SPACE = 0x20;
export const QUOTE = 0x22;
export const APOSTROPHE = 0x27;
export const MINUS = 0x2d;
export const ZERO = 0x30;
export const COLON = 0x3a;
export const EQUALS = 0x3d;

/** The bytes at `at` are exactly `expected`. Reading past the end of `bytes` gives false. */
export function matches(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

/** Four bytes as one number: most names in a record are told apart by their first four. */
export function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

/** The number that `word` gives for these four characters. */
export function wordOf(text: string): number {
  return word(ascii(text), 0);
}

/** Bytes of a text that is ASCII. */
export function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Unsigned decimal; -1 when empty, not only digits, or over 2^53. */
export function decimal(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 15) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Decimal with an optional minus; null when it is none. */
export function signedDecimal(bytes: Uint8Array, start: number, end: number): number | null {
  const negative = bytes[start] === MINUS;
  const value = decimal(bytes, negative ? start + 1 : start, end);
  if (value < 0) return null;
  return negative && value !== 0 ? -value : value;
}

/** Octal, as in `mode=0100600`; -1 when it is none. */
export function octal(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 10) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 7) return -1;
    value = (value << 3) | digit;
  }
  return value;
}

/** Value of each byte as a hex digit; `NO_DIGIT` for all that are none. */
export const NO_DIGIT = 0xff;
export const HEX_DIGITS = new Uint8Array(256).fill(NO_DIGIT);
for (let digit = 0; digit < 16; digit++) {
  HEX_DIGITS[digit.toString(16).charCodeAt(0)] = digit;
  HEX_DIGITS[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/** Low 32 bits of a hex number of up to 16 digits, unsigned; -1 when it is none. */
export function hexLow32(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 16) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = HEX_DIGITS[bytes[i] as number] as number;
    if (digit === NO_DIGIT) return -1;
    value = (value << 4) | digit;
  }
  return value >>> 0;
}

/** One to twenty decimal digits: an inode may not fit a double. */
export function isDigits(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end || end - start > 20) return false;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte < ZERO || byte > ZERO + 9) return false;
  }
  return true;
}
