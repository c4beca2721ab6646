import { EQUALS, HEX_DIGITS, NO_DIGIT, SPACE, signedDecimal, word, wordOf } from './bytes.js';
import { architectureOf, relabelCallOf } from './syscall-table.js';

/** `arch=`, then ` syscall=`, four letters at a time: see `word`. */
const W_ARCH = wordOf('arch');
const ARCH_LENGTH = 'arch='.length;
const W_SYS = wordOf(' sys');
const W_CALL = wordOf('call');
const SYSCALL_LENGTH = ' syscall='.length;
/** digits of a number of 64 bits */
const LONGEST_CODE = 16;

/** What the gate says of a SYSCALL record. */
export const Gate = { FOREIGN: 0, OURS: 1, GARBLED: 2 } as const;
export type Gate = (typeof Gate)[keyof typeof Gate];

/**
 * Does a SYSCALL record's body begin with the number of a call that relabels? Looks at its first 30 bytes only, so
 * that the many events that are none of ours cost next to nothing.
 */
export function gateOf(bytes: Buffer, start: number, end: number): Gate {
  if (word(bytes, start) !== W_ARCH || bytes[start + 4] !== EQUALS) return Gate.GARBLED;
  const codeStart = start + ARCH_LENGTH;
  let at = codeStart;
  let code = 0;
  for (; at < end; at++) {
    const digit = HEX_DIGITS[bytes[at] as number] as number;
    if (digit === NO_DIGIT) break;
    code = (code << 4) | digit;
  }
  if (at === codeStart || at - codeStart > LONGEST_CODE) return Gate.GARBLED;
  if (word(bytes, at) !== W_SYS || word(bytes, at + 4) !== W_CALL || bytes[at + 8] !== EQUALS)
    return Gate.GARBLED;
  const numberStart = at + SYSCALL_LENGTH;
  at = numberStart;
  while (at < end && bytes[at] !== SPACE) at++;
  const number = signedDecimal(bytes, numberStart, at);
  if (number === null) return Gate.GARBLED;
  const known = architectureOf(code >>> 0);
  return known !== undefined && relabelCallOf(known, number) !== undefined ? Gate.OURS : Gate.FOREIGN;
}
