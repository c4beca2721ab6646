import { CARRIAGE_RETURN } from '../line-bytes.js';
import { EQUALS, GROUP_SEPARATOR, QUOTE, SPACE } from './bytes.js';

/** Number that stands for a field's name; equal names have equal numbers. */
export function keyOf(name: string): number {
  let key = 0;
  for (let i = 0; i < name.length; i++) key = (Math.imul(key, 31) + name.charCodeAt(i)) | 0;
  return key;
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * Walks over `key=value` fields in one forward scan. Words without `=` (as in `avc:  granted  { x } for`) are
 * passed over. A value is quoted, without escapes, or runs to the next space. The kernel's part of a line ends at
 * 0x1d: what follows are auditd's interpretations, which only repeat it in names of this host.
 */
export class FieldCursor {
  /** name of the current field, see `keyOf` */
  key = 0;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  quoted = false;
  /** a quote was opened and never closed: the line is garbled from here on */
  broken = false;

  #bytes: Buffer = NO_BYTES;
  #at = 0;
  #end = 0;

  start(bytes: Buffer, from: number, to: number): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to > from && bytes[to - 1] === CARRIAGE_RETURN ? to - 1 : to;
    this.broken = false;
  }

  /** @returns false at the end of the fields */
  next(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    let key = 0;
    this.keyStart = at;
    for (; ; at++) {
      if (at >= end) return this.#stop();
      const byte = bytes[at] as number;
      if (byte === EQUALS) break;
      if (byte === GROUP_SEPARATOR) return this.#stop();
      if (byte === SPACE) {
        key = 0;
        this.keyStart = at + 1;
      } else {
        key = (Math.imul(key, 31) + byte) | 0;
      }
    }
    this.key = key;
    this.keyEnd = at;
    return this.readValue(at + 1);
  }

  /** Index after the current value and its quotes. */
  get end(): number {
    return this.#at;
  }

  /**
   * Makes what stands at `at` the current value, for those who know where one begins.
   *
   * @returns false when it is quoted and the quote does not end
   */
  readValue(from: number): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    if (from < end && bytes[from] === QUOTE) {
      const close = bytes.indexOf(QUOTE, from + 1);
      if (close < 0 || close >= end) {
        this.broken = true;
        return this.#stop();
      }
      this.quoted = true;
      this.valueStart = from + 1;
      this.valueEnd = close;
      this.#at = close + 1;
      return true;
    }
    let at = from;
    while (at < end) {
      const byte = bytes[at] as number;
      if (byte === SPACE || byte === GROUP_SEPARATOR) break;
      at++;
    }
    this.quoted = false;
    this.valueStart = from;
    this.valueEnd = at;
    this.#at = at;
    return true;
  }

  /**
   * Lets the current value run on to the next word that holds a `=`: an AppArmor profile may hold spaces
   * (`subj==/usr/sbin/ntpd (enforce)`).
   */
  extendOverWords(): void {
    if (this.quoted) return;
    const bytes = this.#bytes;
    const end = this.#end;
    let wordStart = this.valueEnd + 1;
    for (let at = wordStart; at <= end; at++) {
      const byte = at < end ? (bytes[at] as number) : SPACE;
      if (byte === EQUALS) return;
      if (byte !== SPACE && byte !== GROUP_SEPARATOR) continue;
      if (at > wordStart) this.#setValueEnd(at);
      if (byte === GROUP_SEPARATOR) return;
      wordStart = at + 1;
    }
  }

  #setValueEnd(at: number): void {
    this.valueEnd = at;
    this.#at = at;
  }

  #stop(): false {
    this.#at = this.#end;
    return false;
  }
}
