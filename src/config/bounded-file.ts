import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

export interface SmallFile {
  bytes: Buffer;
  /** permission bits */
  mode: number;
}

/** How `readSmallFile` says that there is nothing. */
export const NO_SUCH_FILE = 'there is no such file';

/**
 * A regular file of at most so many bytes, or in words why it is not to be had. Pipes and devices are refused, not
 * waited for.
 */
export async function readSmallFile(path: string, bytes_max: number): Promise<SmallFile | string> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await file.stat();
    if (!info.isFile()) return 'is not a regular file';
    const buffer = Buffer.alloc(bytes_max + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read)
      ({ bytesRead: read } = await file.read(buffer, length, buffer.length - length));
    if (length > bytes_max) return `is larger than ${bytes_max} bytes`;
    return { bytes: buffer.subarray(0, length), mode: info.mode & 0o777 };
  } catch (error) {
    return inWords(error as NodeJS.ErrnoException);
  } finally {
    await file?.close();
  }
}

function inWords({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT' || code === 'ENOTDIR') return NO_SUCH_FILE;
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user';
  return `cannot be read: ${message}`;
}
