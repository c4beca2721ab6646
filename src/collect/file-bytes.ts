import { type BigIntStats, constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { type Duplex, pipeline } from 'node:stream';
import * as zlib from 'node:zlib';
import { MigrationAuditError } from '../domain/errors.js';

/** How much is read at once. Each chunk is memory of its own: readers keep slices of it. */
const CHUNK_BYTES = 1 << 20;

/**
 * Log text packs 10 to 100 times; what unpacks to more than this, beyond an allowance for small files, is no log
 * but an attack on our memory or time.
 */
const UNPACKED_RATIO_MAX = 250;
const UNPACKED_ALLOWANCE_BYTES = 64 << 20;

/** Files that are read whole: XML and tables of a host, never more than some 100 kB in practice. */
const WHOLE_FILE_BYTES_MAX = 16 << 20;

/** What programs that rotate logs pack them with, by the first bytes. */
const PACKINGS = [
  { name: 'gzip', magic: [0x1f, 0x8b], tool: 'gzip -d' },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], tool: 'zstd -d' },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], tool: 'xz -d' },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], tool: 'bzip2 -d' },
  { name: 'lz4', magic: [0x04, 0x22, 0x4d, 0x18], tool: 'lz4 -d' },
] as const;
type Packing = (typeof PACKINGS)[number];

export interface ReadOptions {
  signal?: AbortSignal | undefined;
  /** called with the bytes taken from the disk, packed or not */
  onProgress?: ((bytes: number) => void) | undefined;
  /** called when the file is open; what it throws is thrown */
  onOpen?: (stats: BigIntStats) => void;
}

/**
 * The bytes of a file in chunks of at most 1 MiB, unpacked when the file is gzip, or zstd where Node.js has that (told
 * by its first bytes, not by its name). Only regular files are read, so that a pipe or device in a capture cannot hold us up.
 *
 * @throws MigrationAuditError MA_NOT_FOUND, MA_UNREADABLE; what was read before a fault has been handed out by then
 */
export async function* chunksOf(path: string, options: ReadOptions = {}): AsyncGenerator<Buffer> {
  const { file, stats } = await openRegular(path);
  const size_bytes = Number(stats.size);
  try {
    options.onOpen?.(stats);
    const packed = { bytes: 0 };
    const raw = rawChunks(path, file, size_bytes, packed, options);
    const first = await raw.next();
    if (first.done) return;
    const whole = prepend(first.value, raw);
    const packing = packingOf(first.value);
    if (packing === null) yield* whole;
    else yield* unpacked(path, whole, packed, packing);
  } finally {
    await file.close();
  }
}

/** A whole file, unpacked. @throws MigrationAuditError as `chunksOf`, and MA_UNREADABLE beyond 16 MiB */
export async function bytesOfFile(path: string, options: ReadOptions = {}): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total_bytes = 0;
  for await (const chunk of chunksOf(path, options)) {
    total_bytes += chunk.length;
    if (total_bytes > WHOLE_FILE_BYTES_MAX)
      throw new MigrationAuditError(
        'MA_UNREADABLE',
        path,
        'larger than 16 MiB, so it cannot be what its name says',
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The error to report for a failed system call on `path`. */
export function readFailure(path: string, error: unknown): MigrationAuditError {
  if (error instanceof MigrationAuditError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new MigrationAuditError('MA_NOT_FOUND', path, undefined, { cause: error });
  const detail =
    code !== undefined && code in SYSTEM_ERRORS ? SYSTEM_ERRORS[code] : String((error as Error).message);
  return new MigrationAuditError('MA_UNREADABLE', path, detail, { cause: error });
}

const SYSTEM_ERRORS: Record<string, string> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ELOOP: 'its symbolic links go in a circle',
  ENOTDIR: 'it is no directory',
  EPERM: 'operation not permitted',
  EIO: 'the disk reports an input/output error',
};

async function openRegular(path: string): Promise<{ file: FileHandle; stats: BigIntStats }> {
  let file: FileHandle | undefined;
  try {
    // O_NONBLOCK: opening a pipe that nobody writes to would otherwise wait for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat({ bigint: true });
    if (stats.isFile()) return { file, stats };
    throw new MigrationAuditError(
      'MA_UNREADABLE',
      path,
      stats.isDirectory() ? 'it is a directory' : 'it is no regular file',
    );
  } catch (error) {
    await file?.close();
    throw readFailure(path, error);
  }
}

async function* rawChunks(
  path: string,
  file: FileHandle,
  size_bytes: number,
  packed: { bytes: number },
  { signal, onProgress }: ReadOptions,
): AsyncGenerator<Buffer> {
  for (;;) {
    signal?.throwIfAborted();
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    let length: number;
    try {
      length = (await file.read(buffer, 0, CHUNK_BYTES)).bytesRead;
    } catch (error) {
      throw readFailure(path, error);
    }
    if (length === 0 && packed.bytes < size_bytes)
      throw new MigrationAuditError('MA_UNREADABLE', path, 'it became shorter while it was read');
    if (length === 0) return;
    packed.bytes += length;
    onProgress?.(length);
    // A short read pins no megabyte: small files are most of a capture.
    yield length < CHUNK_BYTES / 2 ? Buffer.from(buffer.subarray(0, length)) : buffer.subarray(0, length);
  }
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

/** By its first bytes, not by its name; null when they are no packed file's. */
export function packingOf(bytes: Buffer): Packing | null {
  return PACKINGS.find(({ magic }) => magic.every((byte, at) => bytes[at] === byte)) ?? null;
}

/** @throws MigrationAuditError MA_UNREADABLE when Node.js cannot unpack it */
function unpackerFor(path: string, { name, tool }: Packing): Duplex {
  if (name === 'gzip') return zlib.createGunzip({ chunkSize: CHUNK_BYTES });
  // Node.js has it from 22.15 on, so the types of older ones do not.
  const { createZstdDecompress } = zlib as { createZstdDecompress?: (options: zlib.ZlibOptions) => Duplex };
  if (name === 'zstd' && createZstdDecompress) return createZstdDecompress({ chunkSize: CHUNK_BYTES });
  throw new MigrationAuditError(
    'MA_UNREADABLE',
    path,
    `it is packed with ${name}, which is not read here: unpack it with ${tool} and read again`,
    { hint: 'unpack the file and read again' },
  );
}

async function* unpacked(
  path: string,
  source: AsyncGenerator<Buffer>,
  packed: { bytes: number },
  packing: Packing,
): AsyncGenerator<Buffer> {
  let unpacked_bytes = 0;
  const unpacker = unpackerFor(path, packing);
  try {
    const unzip = pipeline(source, unpacker, () => {
      // Faults reach the loop below through the stream itself.
    });
    for await (const chunk of unzip) {
      unpacked_bytes += chunk.length;
      if (unpacked_bytes > UNPACKED_ALLOWANCE_BYTES && unpacked_bytes > packed.bytes * UNPACKED_RATIO_MAX)
        throw new MigrationAuditError(
          'MA_UNREADABLE',
          path,
          `it unpacks to more than ${UNPACKED_RATIO_MAX} times its size`,
        );
      yield chunk;
    }
  } catch (error) {
    if (isZlibError(error))
      throw new MigrationAuditError(
        'MA_UNREADABLE',
        path,
        `damaged ${packing.name} data after ${unpacked_bytes} bytes`,
        {
          cause: error,
        },
      );
    throw error;
  }
}

function isZlibError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return code.startsWith('Z_') || code.startsWith('ZSTD_') || code.startsWith('ERR_ZLIB');
}
