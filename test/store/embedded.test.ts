import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { embeddedClient } from '../../src/store/embedded.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'migration-audit-embedded-'));
});
afterEach(async () => {
  vi.doUnmock('chdb/connection');
  await rm(directory, { recursive: true, force: true });
});

describe('without its engine or its directory the embedded store says so', () => {
  it('when the optional package is not there', async () => {
    vi.doMock('chdb/connection', () => {
      throw new Error('Cannot find module');
    });
    await expect(embeddedClient(directory)).rejects.toMatchObject({
      code: 'MA_NO_STORE',
      where: directory,
      message:
        'the embedded store cannot be opened: the package chdb is not installed, or not for this system',
    });
  });

  it('when a file is in the way', async () => {
    const path = join(directory, 'file');
    await writeFile(path, 'not a directory');
    await expect(embeddedClient(path)).rejects.toMatchObject({ code: 'MA_NO_STORE', where: path });
  });
});
