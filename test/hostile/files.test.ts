import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chunksOf } from '../../src/collect/file-bytes.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { type Replayed, replay } from '../../src/replay/replay.js';
import { recordFile } from '../collect/audit/reading.js';
import { runCommand } from '../commands/run-command.js';
import { type Tree, temporaryDirectory } from '../replay/temporary-directory.js';

const CHOWN = recordFile('chown-abs-ok', 'raw.log');
/** A host that can be read, so that a replay has something to go on with. */
const GOOD: Tree = { 'hosta/audit.log': CHOWN };

async function replayOf(directory: string): Promise<Replayed> {
  return replay(await sourcesOfCapture(directory), { cluster: 'lab' });
}

async function bytesIn(path: string): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunksOf(path)) bytes += chunk.length;
  return bytes;
}

/** Things that have the name of a log and are none. */
const NO_FILES: Record<string, (path: string) => void | Promise<void>> = {
  'a directory': (path) => {
    mkdirSync(path);
  },
  'a pipe that nobody writes to': (path) => {
    execFileSync('mkfifo', [path]);
  },
  'a socket': (path) => listenAt(path),
  'a device without end': (path) => symlinkSync('/dev/zero', path),
  'a terminal': (path) => symlinkSync('/dev/tty', path),
  'a link to itself': (path) => symlinkSync(path, path),
  'a link to nowhere': (path) => symlinkSync('/no/such/file', path),
  'a file of the kernel that blocks': (path) => symlinkSync('/proc/kmsg', path),
};

function listenAt(path: string): Promise<void> {
  const server = createServer();
  onTestFinished(() => {
    server.close();
  });
  return new Promise((resolve) => {
    server.listen(path, resolve);
  });
}

describe('a replay goes on without a log that is', () => {
  it.each(Object.entries(NO_FILES))('%s', async (_, make) => {
    const capture = temporaryDirectory(GOOD);
    mkdirSync(join(capture, 'hostb'));
    for (const name of ['audit.log', 'virsh-event.log', 'mountinfo', 'domain-a.xml', 't1'])
      await make(join(capture, 'hostb', name));
    const { report, notes } = await replayOf(capture);
    expect(notes.files).toBe(1);
    expect(notes.unreadable.map(({ code }) => code)).toHaveLength(4);
    expect(report.hosts.find(({ host }) => host === 'hosta')?.events).toBeGreaterThan(0);
    const gaps = report.hosts.find(({ host }) => host === 'hostb')?.gaps ?? [];
    expect(gaps.map(({ kind }) => kind)).toContain('file-unreadable');
  });

  it('a host’s directory that is a link to itself', async () => {
    const capture = temporaryDirectory(GOOD);
    symlinkSync(join(capture, 'hostb'), join(capture, 'hostb'));
    expect((await replayOf(capture)).notes.ignored).toEqual([join(capture, 'hostb')]);
  });

  it('gone by the time it is read', async () => {
    const capture = temporaryDirectory({ ...GOOD, 'hostb/audit.log': CHOWN });
    const sources = await sourcesOfCapture(capture);
    rmSync(join(capture, 'hostb'), { recursive: true });
    const { notes } = await replay(sources, { cluster: 'lab' });
    expect(notes.unreadable.map(({ code }) => code)).toEqual(['MA_NOT_FOUND']);
  });
});

describe('a file that becomes shorter while it is read', () => {
  it('is told, after what was there', async () => {
    const path = join(temporaryDirectory({ log: Buffer.alloc(4 << 20, 'x\n') }), 'log');
    const read = async () => {
      for await (const _ of chunksOf(path)) truncateSync(path, 1 << 20);
    };
    await expect(read()).rejects.toMatchObject({
      code: 'MA_UNREADABLE',
      message: expect.stringContaining('shorter'),
    });
  });

  it('a file that grows is read as far as it goes', async () => {
    const path = join(temporaryDirectory({ log: Buffer.alloc(1 << 20, 'x\n') }), 'log');
    let grown = false;
    let bytes = 0;
    for await (const chunk of chunksOf(path)) {
      bytes += chunk.length;
      if (!grown) writeFileSync(path, 'more\n', { flag: 'a' });
      grown = true;
    }
    expect(bytes).toBe((1 << 20) + 5);
  });
});

describe('gzip', () => {
  const text = Buffer.concat(Array.from({ length: 2000 }, () => CHOWN));

  it('of 10 MB that would unpack to 10 GB is given up early', async () => {
    const zeros = gzipSync(Buffer.alloc(64 << 20));
    const bomb = Buffer.concat(Array.from({ length: 160 }, () => zeros));
    expect(bomb.length).toBeGreaterThan(10_000_000);
    const rssBefore = process.memoryUsage().rss;
    const { notes } = await replayOf(temporaryDirectory({ ...GOOD, 'hostb/audit.log.gz': bomb }));
    expect(notes.unreadable.map(({ message }) => message)).toEqual([
      expect.stringContaining('unpacks to more than'),
    ]);
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(300 << 20);
  });

  it('inside gzip is not unpacked twice', async () => {
    const { notes } = await replayOf(
      temporaryDirectory({ ...GOOD, 'hostb/audit.log.gz': gzipSync(gzipSync(text)) }),
    );
    expect(notes.rejected_lines).toBeGreaterThan(0);
  });

  it('of several members is one log', async () => {
    const members = Buffer.concat([gzipSync(text.subarray(0, 1000)), gzipSync(text.subarray(1000))]);
    expect(await bytesIn(join(temporaryDirectory({ log: members }), 'log'))).toBe(text.length);
  });

  it('with zeros behind it, as block devices pad it, is whole', async () => {
    const padded = Buffer.concat([gzipSync(text), Buffer.alloc(4096)]);
    expect(await bytesIn(join(temporaryDirectory({ log: padded }), 'log'))).toBe(text.length);
  });

  it.each([
    ['text', Buffer.from('type=PATH msg=audit(')],
    ['half a header', Buffer.from([0x1f, 0x8b, 0x08])],
    ['another magic', Buffer.from([0x1f, 0x8c, 1, 2, 3])],
  ])('with %s behind it is damaged, after most of what it holds', async (_, garbage) => {
    const path = join(temporaryDirectory({ log: Buffer.concat([gzipSync(text), garbage]) }), 'log');
    let bytes = 0;
    const read = async () => {
      for await (const chunk of chunksOf(path)) bytes += chunk.length;
    };
    await expect(read()).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
    // zlib drops the chunk in which it meets the garbage
    expect(bytes).toBeGreaterThanOrEqual(1 << 20);
  });

  it('cut anywhere is damaged, and nothing else happens', async () => {
    const packed = gzipSync(text.subarray(0, 20_000));
    const directory = temporaryDirectory();
    for (let length = 2; length < packed.length; length += 7) {
      const path = join(directory, 'log');
      writeFileSync(path, packed.subarray(0, length));
      await expect(bytesIn(path), `cut at ${length}`).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
    }
  });
});

it('a sparse file of nothing is one line that is too long', async () => {
  const capture = temporaryDirectory({ ...GOOD, 'hostb/audit.log': '' });
  const file = openSync(join(capture, 'hostb/audit.log'), 'r+');
  ftruncateSync(file, 512 << 20);
  closeSync(file);
  const { notes } = await replayOf(capture);
  expect(notes.rejected.map(({ reason }) => reason)).toEqual(['line-too-long']);
});

it.each(['99999999999', '1795396298.123456789', '', 'x', '\u0000\u0000', '1'.repeat(70_000)])(
  'a time of the snapshots of %.20s breaks nothing',
  async (time) => {
    const capture = temporaryDirectory({
      ...GOOD,
      'hosta/t0': time,
      'hosta/t1': time,
      'hosta/hostname': 'hosta\n',
    });
    const { exit, out } = await runCommand(['replay', capture, '--format', 'json']);
    expect(exit).toBeLessThanOrEqual(1);
    for (const { at } of JSON.parse(out).timeline) expect(at).toMatch(/^20\d\d-/);
  },
);
