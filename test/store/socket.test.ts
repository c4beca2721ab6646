import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { connectStore, type StoreReader, serveStore } from '../../src/store/socket.js';
import { openStore, type Store } from '../../src/store/store.js';
import { SAMPLE_EVENTS } from '../events/sample-events.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { FINDING, REPORT } from './sample-report.js';

let directory: string;
let store: Store;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'migration-audit-socket-'));
  store = await openStore({ path: directory });
  await store.writeEvents(SAMPLE_EVENTS);
  await store.writeReport('lab', REPORT);
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

async function served(): Promise<{ path: string; reader: StoreReader }> {
  const path = join(temporaryDirectory(), 'store.sock');
  const socket = await serveStore(store, path);
  onTestFinished(() => socket.close());
  return { path, reader: (await connectStore(path)) as StoreReader };
}

describe('a store behind a socket', () => {
  it('answers what the store itself answers, hostile names included', async () => {
    const { reader } = await served();
    expect(await reader.report('lab')).toEqual(await store.report('lab'));
    expect(await reader.findings({ cluster: 'lab', limit: 10 })).toEqual(
      await store.findings({ cluster: 'lab', limit: 10 }),
    );
    expect(await reader.findings()).toHaveLength(REPORT.findings.length);
    expect(await reader.finding(FINDING.id)).toEqual(await store.finding(FINDING.id));
    expect(await reader.timelineOf({ finding: FINDING.id })).toEqual(
      await store.timelineOf({ finding: FINDING.id }),
    );
    expect(await reader.counts()).toEqual(await store.counts());
  });

  it('fails as the store itself fails', async () => {
    const { reader } = await served();
    const own = await store.finding('F-none').catch((error) => error);
    const { code, where, message, hint } = own;
    await expect(reader.finding('F-none')).rejects.toMatchObject({ code, where, message, hint });
  });

  it('gives nobody a method that writes', async () => {
    const { path } = await served();
    const status = await new Promise<string>((resolve, reject) => {
      const question = request({ socketPath: path, method: 'POST', path: '/writeEvents' }, (answer) => {
        answer.setEncoding('utf8').on('data', resolve);
      });
      question.on('error', reject).end('[[]]');
    });
    expect(JSON.parse(status)).toMatchObject({ error: { code: 'MA_STORE' } });
  });

  it('is for its owner and group, and takes over what a killed process left', async () => {
    const path = join(temporaryDirectory(), 'store.sock');
    writeFileSync(path, 'left behind');
    const socket = await serveStore(store, path);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await socket.close();
    expect(await connectStore(path)).toBeNull();
  });

  it('is nothing where no process listens', async () => {
    expect(await connectStore(join(temporaryDirectory(), 'store.sock'))).toBeNull();
  });

  it('says what to do when its path is too long or its directory may not be written', async () => {
    const long = join(temporaryDirectory(), 'x'.repeat(100));
    await expect(serveStore(store, long)).rejects.toMatchObject({ code: 'MA_LISTEN' });
    const missing = join(temporaryDirectory(), 'none', 'store.sock');
    await expect(serveStore(store, missing)).rejects.toMatchObject({ code: 'MA_LISTEN', where: missing });
  });
});

it.skipIf(process.getuid?.() === 0)('a socket that this user may not open is told', async () => {
  const path = join(temporaryDirectory(), 'store.sock');
  const socket = await serveStore(store, path);
  onTestFinished(() => socket.close());
  chmodSync(path, 0);
  await expect(connectStore(path)).rejects.toMatchObject({ code: 'MA_UNREADABLE', where: path });
});
