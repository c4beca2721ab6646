import { ascii, hexLow32, matches, SPACE, signedDecimal } from './bytes.js';
import { architectureOf, relabelCallOf } from './syscall-table.js';

const ARCH_PREFIX = ascii('arch=');
const SYSCALL_PREFIX = ascii(' syscall=');

/** What the gate says of a SYSCALL record. */
export const Gate = { FOREIGN: 0, OURS: 1, GARBLED: 2 } as const;
export type Gate = (typeof Gate)[keyof typeof Gate];

/**
 * Does a SYSCALL record's body begin with the number of a call that relabels? Looks at its first 30 bytes only, so
 * that the many events that are none of ours cost next to nothing.
 */
export function gateOf(bytes: Buffer, start: number, end: number): Gate {
  if (!matches(bytes, start, ARCH_PREFIX)) return Gate.GARBLED;
  let at = start + ARCH_PREFIX.length;
  const codeStart = at;
  while (at < end && bytes[at] !== SPACE) at++;
  const code = hexLow32(bytes, codeStart, at);
  if (code < 0 || !matches(bytes, at, SYSCALL_PREFIX)) return Gate.GARBLED;
  at += SYSCALL_PREFIX.length;
  const numberStart = at;
  while (at < end && bytes[at] !== SPACE) at++;
  const number = signedDecimal(bytes, numberStart, at);
  if (number === null) return Gate.GARBLED;
  const known = architectureOf(code);
  return known !== undefined && relabelCallOf(known, number) !== undefined ? Gate.OURS : Gate.FOREIGN;
}
