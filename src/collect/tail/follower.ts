import { closeSync } from 'node:fs';
import { basename } from 'node:path';
import { MigrationAuditError } from '../../domain/errors.js';
import { readFailure } from '../file-bytes.js';
import { NEWLINE } from '../line-bytes.js';
import { beginsAs, type Fingerprint, fingerprint } from './fingerprint.js';
import {
  type Beginning,
  beginningOf,
  bytesAt,
  find,
  type Generation,
  generations,
  identityOf,
  Moved,
  openGeneration,
  statOf,
} from './generations.js';
import { type OpenedFile, openPacked, openPlain, type Reading } from './opened-file.js';
import type { Place, Position } from './position.js';

/**
 * Follows a log through its generations, whatever they are called.
 *
 * A generation is left for the next one only when a newer one holds something, and this one gave nothing at two looks in
 * a row after that: whoever writes to the old one has changed over by then. Where the next one is, is asked each time:
 * files are renamed, packed, copied and cut while they are read. What cannot be found again is said to be lost.
 */

/** Where to begin with a log that was never read. */
export type From = 'end' | 'beginning' | 'oldest';

/** What comes next. */
export type Step =
  /** the next bytes are those of this file; `isSame`: it is what was read before, found under another name */
  | { kind: 'file'; path: string; isSame: boolean }
  | { kind: 'bytes'; chunk: Buffer }
  /** the stream is broken here: what follows does not go on where it ended */
  | { kind: 'lost'; gap: 'file-truncated' | 'file-unreadable'; detail: string }
  /** the log was never read before; `isSkipped`: there is something that will not be */
  | { kind: 'begun'; isSkipped: boolean }
  /** nothing for now; `problem` says what is in the way of more */
  | { kind: 'wait'; problem: string | null }
  /** nothing for now, but look again soon */
  | { kind: 'again' };

/** Beginnings of files that are done with: more than a log has files, as a rule. */
const PASSED_MAX = 100;
/** So many looks in a row an old file may be unreadable before it is passed over: minutes, at the slowest pace. */
const LOOKS_MAX = 240;
/** So many where it is its bytes that are no good, unless it is still being packed. */
const LOOKS_AT_BYTES_MAX = 8;
/** Whoever wrote to a file that has a successor has changed over after so many looks that found nothing. */
const EMPTY_LOOKS = 2;
const LINE_BYTES_MAX = 64 * 1024;

/** A generation as far as it was read; what a closed file knows of itself stays. */
interface Begun {
  file: OpenedFile;
  from: number;
}

type Want =
  /** the generation that was read up to `place`, from `offset` on */
  | { kind: 'place'; place: Place; offset: number }
  /** the oldest one that is not passed */
  | { kind: 'oldest' }
  | { kind: 'begin'; from: From };

export class Follower {
  readonly path: string;
  /** null while one is looked for */
  #file: OpenedFile | null = null;
  #want: Want;
  /** as far back as something may have to be read again; the last one is the one that is read */
  #begun: Begun[] = [];
  #passed: Fingerprint[];
  #isBroken: boolean;
  /** old files that cannot be read, by device and inode */
  readonly #skipped = new Set<string>();
  #emptyLooks = 0;
  #failedLooks = 0;
  /** the files among which nothing was found */
  #fruitless = '';

  /** @param position null for a log that was never read */
  constructor(path: string, from: From, position: Position | null) {
    this.path = path;
    this.#passed = position?.passed ?? [];
    this.#isBroken = position?.isBroken ?? true;
    if (position === null) this.#want = { kind: 'begin', from };
    else if (position.at === null) this.#want = { kind: 'oldest' };
    else this.#want = { kind: 'place', place: position.at, offset: position.at.offset };
  }

  /** Never throws: what the system says is in the way is a problem to wait out. */
  async next(): Promise<Step> {
    try {
      return this.#file === null ? await this.#seek(this.#want) : await this.#read(this.#file);
    } catch (error) {
      return error instanceof Moved ? AGAIN : this.#problem(error);
    }
  }

  /**
   * Where another one has to go on so that nothing is left out.
   *
   * @param unsettled_bytes what has to be read again, over all generations; less has to be kept for the next call
   * @returns null as long as the log was never there to be looked at
   */
  position(unsettled_bytes: number): Position | null {
    const want = this.#want;
    if (this.#begun.length > 0)
      return { at: this.#placeBefore(unsettled_bytes), passed: this.#passed, isBroken: false };
    if (want.kind === 'begin') return null;
    const at = want.kind === 'place' ? { ...want.place, offset: want.offset } : null;
    return { at, passed: this.#passed, isBroken: this.#isBroken };
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  async #read(file: OpenedFile): Promise<Step> {
    let reading: Reading;
    try {
      reading = await file.read();
    } catch (error) {
      return this.#faulty(file, error);
    }
    if (reading.kind === 'bytes') {
      this.#emptyLooks = 0;
      return reading;
    }
    if (reading.kind === 'rewritten') {
      this.#lookFor(file);
      return AGAIN;
    }
    return file.isPacked ? this.#advance(file) : this.#atEnd(file);
  }

  /** A packed file that is damaged stays so; of any other file it may be the disk that went away. */
  #faulty(file: OpenedFile, error: unknown): Step {
    const failure = readFailure(file.path, error);
    if (!file.isPacked) {
      this.#lookFor(file);
      return { kind: 'wait', problem: failure.message };
    }
    file.breakOff();
    return { kind: 'lost', gap: 'file-unreadable', detail: `${basename(file.path)}: ${failure.message}` };
  }

  #atEnd(file: OpenedFile): Step | Promise<Step> {
    const current = statOf(this.path);
    if (current === null) return { kind: 'wait', problem: NO_SUCH_FILE };
    if (isSame(file, identityOf(current))) {
      this.#emptyLooks = 0;
      return NOTHING_NEW;
    }
    if (++this.#emptyLooks < EMPTY_LOOKS) return AGAIN;
    return this.#advance(file);
  }

  /** To the generation after this one. */
  async #advance(file: OpenedFile): Promise<Step> {
    const all = generations(this.path);
    let index = all.findIndex((each) => isSame(file, each));
    if (index < 0) {
      const place = placeOf(file, file.read_to);
      index = await find(all, await beginningsOf(all), place);
    }
    if (index < 0) {
      if (!all.some(hasBytes)) return NOTHING_NEW;
      return this.#lose('what came after it cannot be told: it was removed');
    }
    for (const next of all.slice(index + 1)) {
      if (!hasBytes(next) || this.#skipped.has(keyOf(next))) continue;
      const beginning = await beginningOf(next);
      if ('failure' in beginning) return this.#unreadable(next, beginning.failure);
      if (beginning.head.length > 0) return this.#enter(next, beginning, 0);
    }
    const current = all.find(({ isCurrent }) => isCurrent);
    return current === undefined || current.isRegular
      ? NOTHING_NEW
      : { kind: 'wait', problem: NO_REGULAR_FILE };
  }

  async #seek(want: Want): Promise<Step> {
    const all = generations(this.path);
    const listing = JSON.stringify(all);
    if (listing === this.#fruitless) return this.#nothingIn(all);
    const beginnings = await beginningsOf(all);
    switch (want.kind) {
      case 'begin':
        return this.#begin(want.from, all, beginnings);
      case 'place':
        return this.#seekPlace(want, all, beginnings);
      case 'oldest': {
        const step = await this.#seekOldest(all, beginnings);
        if (step.kind === 'wait' && beginnings.every((each) => !('failure' in each)))
          this.#fruitless = listing;
        return step;
      }
    }
  }

  async #begin(from: From, all: readonly Generation[], beginnings: readonly Beginning[]): Promise<Step> {
    const index = all.findIndex(({ isCurrent }) => isCurrent);
    const current = all[index];
    const beginning = beginnings[index];
    if (current?.isRegular === false) return { kind: 'wait', problem: NO_REGULAR_FILE };
    if (beginning !== undefined && 'failure' in beginning) return this.#problem(beginning.failure);
    if (from !== 'oldest')
      for (const [i, each] of beginnings.entries())
        if (i !== index && !('failure' in each)) this.#pass(fingerprint(each.head));
    this.#want = { kind: 'oldest' };
    this.#isBroken = false;
    if (from !== 'end') return { kind: 'begun', isSkipped: false };
    if (current !== undefined && beginning !== undefined && hasBytes(current))
      await this.#enter(current, beginning, lastLineOf(current));
    return { kind: 'begun', isSkipped: all.some(hasBytes) };
  }

  async #seekPlace(
    { place, offset }: { place: Place; offset: number },
    all: readonly Generation[],
    beginnings: readonly Beginning[],
  ): Promise<Step> {
    const index = await find(all, beginnings, place);
    const generation = all[index];
    if (generation !== undefined)
      return this.#enter(generation, beginnings[index] as Beginning, offset, this.#begun.length > 0);
    if (all.length === 0) return { kind: 'wait', problem: NO_SUCH_FILE };
    for (const [i, each] of beginnings.entries())
      if ('failure' in each && !this.#skipped.has(keyOf(all[i] as Generation))) {
        const step = this.#unreadable(all[i] as Generation, each.failure);
        if (step.kind === 'wait') return step;
      }
    this.#pass(place.head);
    return this.#lose(
      `byte ${place.read_to} of the file that was read last is not there any more: it was cut or removed`,
    );
  }

  async #seekOldest(all: readonly Generation[], beginnings: readonly Beginning[]): Promise<Step> {
    if (!this.#isBroken && this.#passed.length > 0) {
      const isKnown = beginnings.some((each) => !('failure' in each) && this.#isPassed(each.head));
      if (!isKnown && beginnings.length > 0)
        return this.#lose('all files that were there before were removed');
    }
    for (const [i, generation] of all.entries()) {
      const beginning = beginnings[i] as Beginning;
      if (!hasBytes(generation) || this.#skipped.has(keyOf(generation))) continue;
      if ('failure' in beginning) return this.#unreadable(generation, beginning.failure);
      // The log itself may begin as it did and yet be another one, when it was cut.
      if (generation.isCurrent || !this.#isPassed(beginning.head))
        return this.#enter(generation, beginning, 0);
    }
    return this.#nothingIn(all);
  }

  #nothingIn(all: readonly Generation[]): Step {
    const current = all.find(({ isCurrent }) => isCurrent);
    if (current === undefined) return { kind: 'wait', problem: NO_SUCH_FILE };
    return current.isRegular ? NOTHING_NEW : { kind: 'wait', problem: NO_REGULAR_FILE };
  }

  /** The log itself is waited for; an old file only for a while. */
  #unreadable(generation: Generation, failure: unknown): Step {
    const problem = this.#problem(failure);
    const looks_max = isOfBytes(failure) ? LOOKS_AT_BYTES_MAX : LOOKS_MAX;
    if (generation.isCurrent || ++this.#failedLooks < looks_max) return problem;
    this.#failedLooks = 0;
    this.#skipped.add(keyOf(generation));
    const { message } = readFailure(generation.path, failure);
    return { kind: 'lost', gap: 'file-unreadable', detail: `${basename(generation.path)}: ${message}` };
  }

  /** @param offset where to read on */
  async #enter(generation: Generation, beginning: Beginning, offset: number, isSame = false): Promise<Step> {
    const isPacked = 'isPacked' in beginning && beginning.isPacked;
    const file =
      'head' in beginning && isPacked
        ? await openPacked(generation, beginning.head, offset)
        : openPlain(generation, offset);
    this.#leave();
    this.#file = file;
    this.#begun.push({ file, from: offset });
    this.#emptyLooks = 0;
    this.#failedLooks = 0;
    this.#fruitless = '';
    this.#isBroken = false;
    return { kind: 'file', path: generation.path, isSame };
  }

  /** The generation at hand is done with. */
  #leave(): void {
    const file = this.#file;
    if (file === null) return;
    this.#pass(file.head());
    file.close();
    this.#file = null;
  }

  /** What was read is not at hand any more: it has to be found again. */
  #lookFor(file: OpenedFile): void {
    this.#want = { kind: 'place', place: placeOf(file, file.read_to), offset: file.read_to };
    file.close();
    this.#file = null;
  }

  #lose(detail: string): Step {
    this.#leave();
    this.#begun = [];
    this.#isBroken = true;
    this.#want = { kind: 'oldest' };
    return { kind: 'lost', gap: 'file-truncated', detail };
  }

  #pass(head: Fingerprint): void {
    if (this.#passed.includes(head)) return;
    this.#passed = [...this.#passed, head].slice(-PASSED_MAX);
  }

  #isPassed(head: Buffer): boolean {
    return this.#passed.some((print) => beginsAs(head, print));
  }

  #placeBefore(unsettled_bytes: number): Place {
    let back = unsettled_bytes;
    let index = this.#begun.length - 1;
    for (; index > 0; index--) {
      const { file, from } = this.#begun[index] as Begun;
      if (back <= file.read_to - from) break;
      back -= file.read_to - from;
    }
    this.#begun.splice(0, index);
    const { file, from } = this.#begun[0] as Begun;
    return placeOf(file, Math.max(from, file.read_to - back));
  }

  #problem(error: unknown): Step {
    return { kind: 'wait', problem: readFailure(this.path, error).message };
  }
}

/** The problem of a log that is not there. */
export const NO_SUCH_FILE = 'no such file';
const NO_REGULAR_FILE = 'it is no regular file';

const AGAIN: Step = { kind: 'again' };
const NOTHING_NEW: Step = { kind: 'wait', problem: null };

function placeOf(file: OpenedFile, offset: number): Place {
  const { dev, ino, read_to } = file;
  return { dev, ino, offset, read_to, head: file.head(), tail: file.tail() };
}

async function beginningsOf(all: readonly Generation[]): Promise<Beginning[]> {
  const beginnings: Beginning[] = [];
  for (const each of all)
    beginnings.push(each.isRegular ? await beginningOf(each) : { head: Buffer.alloc(0), isPacked: false });
  return beginnings;
}

function isSame(one: { dev: string; ino: string }, other: { dev: string; ino: string }): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

function keyOf({ dev, ino }: Generation): string {
  return `${dev}:${ino}`;
}

/** It was not the system that refused to read. */
function isOfBytes(failure: unknown): boolean {
  return (
    failure instanceof MigrationAuditError && !('syscall' in ((failure.cause as object | undefined) ?? {}))
  );
}

function hasBytes({ isRegular, size_bytes }: Generation): boolean {
  return isRegular && size_bytes > 0;
}

/** Where the last line begins, or would begin, that is not finished yet. */
function lastLineOf(generation: Generation): number {
  const fd = openGeneration(generation);
  try {
    const from = Math.max(0, generation.size_bytes - LINE_BYTES_MAX);
    const newline = bytesAt(fd, from, generation.size_bytes - from).lastIndexOf(NEWLINE);
    return newline < 0 ? generation.size_bytes : from + newline + 1;
  } finally {
    closeSync(fd);
  }
}
