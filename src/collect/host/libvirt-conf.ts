import type { ByteText } from '../../domain/byte-text.js';

export type ConfValue = ByteText | number | ConfValue[];

/**
 * The grammar of libvirt's configuration files (virconf.c): `name = value` with a value of `"text"`, `'text'`,
 * `"""text over lines"""`, a number, or `[ list, over, lines ]`; `#` begins a comment. Nothing is escaped. Where a
 * name stands twice, libvirt takes the first.
 *
 * libvirt refuses a file with an error in it; here the line is reported and the rest is read.
 */
export function parseLibvirtConf(text: ByteText): { entries: Map<string, ConfValue>; unread: ByteText[] } {
  const entries = new Map<string, ConfValue>();
  const unread: ByteText[] = [];
  const scanner = new ConfScanner(text);
  while (scanner.skipToEntry()) {
    const start = scanner.position;
    const entry = scanner.entry();
    if (!entry) unread.push(scanner.restOfLineFrom(start));
    else if (!entries.has(entry.name)) entries.set(entry.name, entry.value);
  }
  return { entries, unread };
}

class ConfScanner {
  position = 0;
  private readonly text: ByteText;

  constructor(text: ByteText) {
    this.text = text;
  }

  /** @returns false at the end of the text */
  skipToEntry(): boolean {
    this.skipBlanks(/\s+/y);
    return this.position < this.text.length;
  }

  entry(): { name: string; value: ConfValue } | null {
    const name = this.match(/([A-Za-z_][\w.-]*)[ \t]*=[ \t]*/y)?.[1];
    if (name === undefined) return null;
    const value = this.match(/\[/y) ? this.list() : this.scalar();
    // Anything but a comment behind the value means that the value was not understood.
    if (value === null || !this.match(/[ \t\r]*(?:#[^\n]*)?(?=\n|$)/y)) return null;
    return { name, value };
  }

  /** The line that `start` stands in, from there on; goes on behind it. */
  restOfLineFrom(start: number): ByteText {
    const newline = this.text.indexOf('\n', start);
    this.position = newline === -1 ? this.text.length : newline + 1;
    return this.text.slice(start, newline === -1 ? undefined : newline);
  }

  /** libvirt allows lists in lists; no key that is read here has any. */
  private list(): ConfValue[] | null {
    const values: ConfValue[] = [];
    for (;;) {
      this.skipBlanks(/[\s,]+/y);
      if (this.match(/\]/y)) return values;
      const value = this.scalar();
      if (value === null) return null;
      values.push(value);
    }
  }

  private scalar(): ByteText | number | null {
    const long = this.match(/"""(.*?)"""/sy);
    if (long) return long[1] ?? '';
    const quoted = this.match(/"([^"\n]*)"|'([^'\n]*)'/y);
    if (quoted) return quoted[1] ?? quoted[2] ?? '';
    const number = this.match(/-?\d+(?![\w.])/y);
    return number ? Number(number[0]) : null;
  }

  private skipBlanks(blanks: RegExp): void {
    while (this.match(blanks) || this.match(/#[^\n]*/y));
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.text);
    if (match) this.position = pattern.lastIndex;
    return match;
  }
}
