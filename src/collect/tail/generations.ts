import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { MigrationAuditError } from '../../domain/errors.js';
import { chunksOf, packingOf } from '../file-bytes.js';
import { beginsAs, FINGERPRINT_BYTES, fingerprint, isTelling, lengthOf } from './fingerprint.js';
import type { Place } from './position.js';
import { generationsOf } from './rotated-names.js';

/** The files that a log consists of at one moment. */
export interface Generation {
  path: string;
  dev: string;
  ino: string;
  /** as it lies on the disk */
  size_bytes: number;
  isRegular: boolean;
  /** bears the log's own name */
  isCurrent: boolean;
}

/** What a generation begins with, unpacked, or why that cannot be read. */
export type Beginning = { head: Buffer; isPacked: boolean } | { failure: unknown };

/** A file changed its name while it was looked at: look again. */
export class Moved extends Error {}

/**
 * Oldest first. Of a file and its packed form that is being made only the file counts.
 *
 * @throws Moved when the names changed meanwhile; whatever the system says of the directory
 */
export function generations(path: string): Generation[] {
  const first = listed(path);
  const second = listed(path);
  const isSame =
    first.length === second.length &&
    first.every(({ path: name, dev, ino }, i) => {
      const other = second[i] as Generation;
      return other.path === name && other.dev === dev && other.ino === ino;
    });
  if (!isSame) throw new Moved();
  return second;
}

function listed(path: string): Generation[] {
  const directory = dirname(path);
  const base = basename(path);
  return generationsOf(base, readdirSync(directory)).flatMap((name) => {
    const stats = statOf(join(directory, name));
    if (stats === null) return [];
    const isCurrent = name === base;
    if (!stats.isFile() && !isCurrent) return [];
    return [
      {
        path: join(directory, name),
        ...identityOf(stats),
        size_bytes: Number(stats.size),
        isRegular: stats.isFile(),
        isCurrent,
      },
    ];
  });
}

/** Null when there is nothing of that name. */
export function statOf(path: string): BigIntStats | null {
  return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
}

export function identityOf({ dev, ino }: BigIntStats): { dev: string; ino: string } {
  return { dev: String(dev), ino: String(ino) };
}

/** O_NONBLOCK: opening a pipe that nobody writes to would otherwise wait for ever. */
function openForReading(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
}

/** @throws Moved when another file bears the name by now; whatever the system says */
export function openGeneration({ path, dev, ino }: Generation): number {
  const fd = openForReading(path);
  const opened = identityOf(fstatSync(fd, { bigint: true }));
  if (opened.dev === dev && opened.ino === ino) return fd;
  closeSync(fd);
  throw new Moved();
}

/** What a packed file holds. @throws Moved when another file bears the name by now; MigrationAuditError */
export function unpacked({ path, dev, ino }: Generation): AsyncGenerator<Buffer> {
  return chunksOf(path, {
    onOpen: (stats) => {
      const opened = identityOf(stats);
      if (opened.dev !== dev || opened.ino !== ino) throw new Moved();
    },
  });
}

/** @throws Moved when another file bears the name by now */
export async function beginningOf(generation: Generation): Promise<Beginning> {
  try {
    const head = plainBytes(generation, 0, FINGERPRINT_BYTES);
    if (packingOf(head) === null) return { head, isPacked: false };
    for await (const chunk of unpacked(generation))
      return { head: Buffer.from(chunk.subarray(0, FINGERPRINT_BYTES)), isPacked: true };
    return { head: Buffer.alloc(0), isPacked: true };
  } catch (failure) {
    if (failure instanceof Moved || codeOf(failure) === 'ENOENT') throw new Moved();
    return { failure };
  }
}

/** What the system calls the error, as `EACCES`. */
function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** As many bytes as there are at `offset`, up to `length`. */
export function bytesAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let got = 0;
  while (got < length) {
    const more = readSync(fd, bytes, got, length - got, offset + got);
    if (more === 0) break;
    got += more;
  }
  return bytes.subarray(0, got);
}

/** Is this the file that was read up to `place`? */
async function isPlaceIn(generation: Generation, beginning: Beginning, place: Place): Promise<boolean> {
  if ('failure' in beginning || !beginsAs(beginning.head, place.head)) return false;
  const length = lengthOf(place.tail);
  const from = place.read_to - length;
  const tail = beginning.isPacked
    ? await packedBytesAt(generation, from, length)
    : plainBytes(generation, from, length);
  return tail.length === length && (length === 0 || fingerprint(tail) === place.tail);
}

function plainBytes(generation: Generation, offset: number, length: number): Buffer {
  const fd = openGeneration(generation);
  try {
    return bytesAt(fd, offset, length);
  } finally {
    closeSync(fd);
  }
}

/** What is there of them: a packed file may be damaged. */
async function packedBytesAt(generation: Generation, offset: number, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let at = 0;
  try {
    for await (const chunk of unpacked(generation)) {
      const part = chunk.subarray(Math.max(0, offset - at), Math.max(0, offset + length - at));
      if (part.length > 0) parts.push(part);
      at += chunk.length;
      if (at >= offset + length) break;
    }
  } catch (error) {
    if (!(error instanceof MigrationAuditError)) throw error;
  }
  return Buffer.concat(parts);
}

/**
 * Which of the generations was read up to `place`: its number, or -1.
 *
 * The same inode is the surest sign as long as what was read is long enough to tell; without it the oldest one, for a
 * copy that logrotate made is older than the file it was made of.
 */
export async function find(
  all: readonly Generation[],
  beginnings: readonly Beginning[],
  place: Place,
): Promise<number> {
  const found: number[] = [];
  for (const [index, generation] of all.entries())
    if (await isPlaceIn(generation, beginnings[index] as Beginning, place)) found.push(index);
  const isSame = (index: number) => all[index]?.dev === place.dev && all[index]?.ino === place.ino;
  return (isTelling(place.head) ? found.find(isSame) : undefined) ?? found[0] ?? -1;
}
