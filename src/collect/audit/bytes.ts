/** ASCII codes and number readers for log bytes. Nothing here allocates. */

export const NEWLINE = 0x0a;
export const CARRIAGE_RETURN = 0x0d;
/** ENRICHED: parts the kernel's text from auditd's interpretation of it */
export const GROUP_SEPARATOR = 0x1d;
export const SPACE = 0x20;
export const QUOTE = 0x22;
export const APOSTROPHE = 0x27;
export const COLON = 0x3a;
export const EQUALS = 0x3d;

const ZERO = 0x30;

/** The bytes at `at` are exactly `expected`. Reading past the end of `bytes` gives false. */
export function matches(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
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
  const negative = bytes[start] === 0x2d;
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

/** Value of one hex digit, -1 for any other byte. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Low 32 bits of a hex number of up to 16 digits, unsigned; -1 when it is none. */
export function hexLow32(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 16) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = hexDigit(bytes[i] as number);
    if (digit < 0) return -1;
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
