import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bytesOfFile, chunksOf } from '../../src/collect/file-bytes.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';

function fileWith(content: string | Buffer): string {
  return join(temporaryDirectory({ file: content }), 'file');
}

async function lengthsOf(path: string): Promise<number[]> {
  const lengths: number[] = [];
  for await (const chunk of chunksOf(path)) lengths.push(chunk.length);
  return lengths;
}

describe('chunksOf', () => {
  it('gives a file in pieces of at most 1 MiB', async () => {
    expect(await lengthsOf(fileWith(Buffer.alloc(2.5 * 1024 * 1024, 'x')))).toEqual([
      1 << 20,
      1 << 20,
      1 << 19,
    ]);
  });

  it('gives nothing of an empty file', async () => {
    expect(await lengthsOf(fileWith(''))).toEqual([]);
  });

  it('gives every chunk memory of its own, so that slices of earlier ones stay', async () => {
    const content = Buffer.concat([Buffer.alloc(1 << 20, 'a'), Buffer.alloc(1 << 20, 'b')]);
    const chunks: Buffer[] = [];
    for await (const chunk of chunksOf(fileWith(content))) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });

  it('unpacks gzip, told by its first bytes and not by its name', async () => {
    expect((await bytesOfFile(fileWith(gzipSync('some text')))).toString()).toBe('some text');
  });

  it('unpacks gzip of several members, as logrotate and cat make it', async () => {
    const content = Buffer.concat([gzipSync('first '), gzipSync('second')]);
    expect((await bytesOfFile(fileWith(content))).toString()).toBe('first second');
  });

  it('hands out what stands before the damage of a gzip file, then says so', async () => {
    const text = Buffer.from(
      Array.from({ length: 200_000 }, (_, i) => String((i * 7919) % 10_007)).join(' '),
    );
    const packed = gzipSync(text);
    let seen = 0;
    const read = async () => {
      for await (const chunk of chunksOf(fileWith(packed.subarray(0, packed.length - 1000))))
        seen += chunk.length;
    };
    await expect(read()).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
    expect(seen).toBeGreaterThan(0);
  });

  it.each([
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04]],
    ['bzip2', [0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26]],
    ['lz4', [0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7]],
  ])('says of a file packed with %s how to have it read', async (name, bytes) => {
    const detail = new RegExp(`packed with ${name}, .* unpack it with ${name} -d`);
    await expect(bytesOfFile(fileWith(Buffer.from(bytes)))).rejects.toMatchObject({
      code: 'MA_UNREADABLE',
      message: expect.stringMatching(detail),
    });
  });

  it('unpacks zstd where Node.js does, and says how to have it read elsewhere', async () => {
    const { zstdCompressSync } = zlib as { zstdCompressSync?: (text: string) => Buffer };
    const packed = zstdCompressSync?.('some text') ?? Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00]);
    const read = bytesOfFile(fileWith(packed)).then(String);
    if (zstdCompressSync) await expect(read).resolves.toBe('some text');
    else await expect(read).rejects.toThrow(/packed with zstd, .* unpack it with zstd -d/);
  });

  it('stops at data that unpacks to an absurd size', async () => {
    const bomb = gzipSync(Buffer.alloc(200 << 20));
    const lengths: number[] = [];
    const read = async () => {
      for await (const chunk of chunksOf(fileWith(bomb))) lengths.push(chunk.length);
    };
    await expect(read()).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThan(80 << 20);
  });

  it('refuses a directory, a dangling link and a pipe instead of waiting for it', async () => {
    const directory = temporaryDirectory();
    symlinkSync(join(directory, 'nowhere'), join(directory, 'dangling'));
    execFileSync('sh', ['-c', 'mkfifo "$0"', join(directory, 'pipe')]);
    await expect(lengthsOf(directory)).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
    await expect(lengthsOf(join(directory, 'dangling'))).rejects.toMatchObject({ code: 'MA_NOT_FOUND' });
    await expect(lengthsOf(join(directory, 'pipe'))).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    controller.abort();
    const read = async () => {
      for await (const _ of chunksOf(fileWith('x'), { signal: controller.signal }));
    };
    await expect(read()).rejects.toThrow(/abort/i);
  });
});

describe('bytesOfFile', () => {
  it('refuses more than 16 MiB', async () => {
    await expect(bytesOfFile(fileWith(Buffer.alloc((16 << 20) + 1)))).rejects.toMatchObject({
      code: 'MA_UNREADABLE',
    });
  });
});
