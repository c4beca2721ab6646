import { closeSync, fstatSync } from 'node:fs';
import { FINGERPRINT_BYTES, type Fingerprint, fingerprint } from './fingerprint.js';
import { bytesAt, type Generation, openGeneration, unpacked } from './generations.js';

/** Read at once. Each chunk is memory of its own: readers keep slices of it. */
const CHUNK_BYTES = 256 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** What a file has to give next. */
export type Reading =
  | { kind: 'bytes'; chunk: Buffer }
  | { kind: 'end' }
  /** it is not what was read any more: shorter, or with other bytes */
  | { kind: 'rewritten' };

/** A generation of a log that is being read. */
export interface OpenedFile {
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  readonly read_to: number;
  /** it is finished: nobody writes to it */
  readonly isPacked: boolean;
  /** of what it begins with */
  head(): Fingerprint;
  /** of the bytes before `read_to` */
  tail(): Fingerprint;
  /** @throws whatever the system says; MigrationAuditError for a packed file that is damaged */
  read(): Promise<Reading>;
  /** What is left of it cannot be read: it ends here. */
  breakOff(): void;
  close(): void;
}

/** @throws Moved, or whatever the system says */
export function openPlain(generation: Generation, read_to: number): OpenedFile {
  return new PlainFile(generation, openGeneration(generation), read_to);
}

/** @throws Moved, or MigrationAuditError */
export async function openPacked(generation: Generation, head: Buffer, read_to: number): Promise<OpenedFile> {
  const chunks = unpacked(generation);
  // Only with the first bytes the file is open, whatever becomes of its name.
  return new PackedFile(generation, { head, skip_bytes: read_to, chunks, first: await chunks.next() });
}

/** A file that somebody may still write to, held by its descriptor, whatever becomes of its name. */
class PlainFile implements OpenedFile {
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  readonly isPacked = false;
  read_to: number;
  readonly #fd: number;
  #head: Buffer;
  #tail: Buffer;
  #changed_ns = -1n;

  constructor({ path, dev, ino }: Generation, fd: number, read_to: number) {
    this.path = path;
    this.dev = dev;
    this.ino = ino;
    this.read_to = read_to;
    this.#fd = fd;
    try {
      this.#head = bytesAt(fd, 0, FINGERPRINT_BYTES);
      const length = Math.min(read_to, FINGERPRINT_BYTES);
      this.#tail = bytesAt(fd, read_to - length, length);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  head(): Fingerprint {
    return fingerprint(this.#head);
  }

  tail(): Fingerprint {
    return fingerprint(this.#tail);
  }

  read(): Promise<Reading> {
    return Promise.resolve(this.#readNow());
  }

  /** Nobody can tell that of a file that may be written to. */
  breakOff(): void {}

  close(): void {
    closeSync(this.#fd);
  }

  #readNow(): Reading {
    const stats = fstatSync(this.#fd, { bigint: true });
    const size = Number(stats.size);
    if (size < this.read_to) return { kind: 'rewritten' };
    if (size === this.read_to && stats.mtimeNs === this.#changed_ns) return { kind: 'end' };
    if (this.read_to < this.#head.length && !bytesAt(this.#fd, 0, this.#head.length).equals(this.#head))
      return { kind: 'rewritten' };
    // What was read last is read once more: a file can be cut and written anew between two looks.
    const again = this.#tail.length;
    const bytes = bytesAt(this.#fd, this.read_to - again, again + Math.min(size - this.read_to, CHUNK_BYTES));
    if (!bytes.subarray(0, again).equals(this.#tail)) return { kind: 'rewritten' };
    const chunk = bytes.subarray(again);
    if (size === this.read_to + chunk.length) this.#changed_ns = stats.mtimeNs;
    if (chunk.length === 0) return { kind: 'end' };
    if (this.#head.length < FINGERPRINT_BYTES) this.#head = bytesAt(this.#fd, 0, FINGERPRINT_BYTES);
    this.#tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - FINGERPRINT_BYTES)));
    this.read_to += chunk.length;
    return { kind: 'bytes', chunk };
  }
}

interface Unpacking {
  head: Buffer;
  skip_bytes: number;
  chunks: AsyncGenerator<Buffer>;
  first: IteratorResult<Buffer>;
}

/** A file that is finished and packed. */
class PackedFile implements OpenedFile {
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  readonly isPacked = true;
  #unpacked = 0;
  #isOver = false;
  readonly #head: Buffer;
  readonly #skip_bytes: number;
  readonly #chunks: AsyncGenerator<Buffer>;
  #first: IteratorResult<Buffer> | null;
  #tail: Buffer = NO_BYTES;

  constructor({ path, dev, ino }: Generation, { head, skip_bytes, chunks, first }: Unpacking) {
    this.path = path;
    this.dev = dev;
    this.ino = ino;
    this.#head = head;
    this.#skip_bytes = skip_bytes;
    this.#chunks = chunks;
    this.#first = first;
  }

  get read_to(): number {
    return Math.max(this.#skip_bytes, this.#unpacked);
  }

  head(): Fingerprint {
    return fingerprint(this.#head);
  }

  /** Of nothing as long as nothing was read here. */
  tail(): Fingerprint {
    return fingerprint(this.#unpacked < this.#skip_bytes ? NO_BYTES : this.#tail);
  }

  async read(): Promise<Reading> {
    for (;;) {
      if (this.#isOver) return { kind: 'end' };
      const next = this.#first ?? (await this.#chunks.next());
      this.#first = null;
      if (next.done) return { kind: 'end' };
      const chunk = next.value.subarray(Math.max(0, this.#skip_bytes - this.#unpacked));
      this.#unpacked += next.value.length;
      this.#tail = Buffer.from(
        Buffer.concat([this.#tail, next.value.subarray(-FINGERPRINT_BYTES)]).subarray(-FINGERPRINT_BYTES),
      );
      if (chunk.length > 0) return { kind: 'bytes', chunk };
    }
  }

  breakOff(): void {
    this.#isOver = true;
  }

  close(): void {
    void this.#chunks.return(undefined);
  }
}
