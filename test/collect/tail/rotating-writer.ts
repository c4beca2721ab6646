import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Random } from '../../../src/sim/random.js';

export interface WriterOptions {
  /** how many files there are at most; the oldest is removed for another one */
  files_max: number;
  /** the log may be cut where it lies */
  cuts: boolean;
}

/** Writes lines to a log and rotates it in every way that logs are rotated. */
export class RotatingWriter {
  readonly #path: string;
  readonly #lines: readonly Buffer[];
  readonly #random: Random;
  readonly #options: WriterOptions;
  #next = 0;
  /** of a line of which only the beginning is written */
  #rest: Buffer | null = null;

  constructor(directory: string, lines: readonly Buffer[], random: Random, options: WriterOptions) {
    this.#path = join(directory, 'audit.log');
    this.#lines = lines;
    this.#random = random;
    this.#options = options;
    writeFileSync(this.#path, '');
  }

  get isDone(): boolean {
    return this.#next >= this.#lines.length && this.#rest === null;
  }

  act(): void {
    const what = this.#random.below(20);
    if (what < 12) this.#write();
    else if (what < 15) this.#finished(() => this.#renameAll());
    else if (what < 17) this.#finished(() => this.#copyAndCut());
    else if (what < 19) this.#pack();
    else if (this.#options.cuts)
      this.#finished(() => truncateSync(this.#path, this.#random.below(2) * this.#random.below(2000)));
  }

  #write(): void {
    if (this.#rest !== null) {
      appendFileSync(this.#path, this.#rest);
      this.#rest = null;
      return;
    }
    for (let count = 1 + this.#random.below(12); count > 0 && this.#next < this.#lines.length; count--) {
      const line = this.#lines[this.#next++] as Buffer;
      const cut = this.#random.below(10) === 0 ? this.#random.below(line.length) : line.length;
      appendFileSync(this.#path, line.subarray(0, cut));
      if (cut === line.length) continue;
      this.#rest = line.subarray(cut);
      return;
    }
  }

  /** Lines are never split across files. */
  #finished(rotate: () => void): void {
    if (this.#rest !== null) this.#write();
    rotate();
  }

  #renameAll(): void {
    this.#shift();
    renameSync(this.#path, `${this.#path}.1`);
    writeFileSync(this.#path, '', { flag: 'wx' });
  }

  #copyAndCut(): void {
    this.#shift();
    copyFileSync(this.#path, `${this.#path}.1`);
    truncateSync(this.#path, 0);
  }

  /** Makes room for a new `.1`. */
  #shift(): void {
    const { files_max } = this.#options;
    for (let n = files_max - 1; n >= 1; n--)
      for (const packed of ['', '.gz']) {
        const from = `${this.#path}.${n}${packed}`;
        if (!existsSync(from)) continue;
        if (n === files_max - 1) rmSync(from);
        else renameSync(from, `${this.#path}.${n + 1}${packed}`);
      }
  }

  #pack(): void {
    const path = `${this.#path}.${1 + this.#random.below(this.#options.files_max - 1)}`;
    if (!existsSync(path)) return;
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
    rmSync(path);
  }
}
