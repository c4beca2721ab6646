import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/events/event.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { sourcesOfNamedFiles } from '../../src/replay/named-files.js';
import { type Replayed, replay } from '../../src/replay/replay.js';
import { reportJson } from '../../src/replay/report-json.js';
import type { Sources } from '../../src/replay/sources.js';
import { temporaryDirectory } from './temporary-directory.js';

const CAPTURES = new URL('../golden/captures/', import.meta.url).pathname;
const MISMATCH = join(CAPTURES, 's4-mismatch-fail');

async function replayed(sources: Sources, onEvents?: (events: Event[]) => Promise<void>): Promise<Replayed> {
  return replay(sources, { cluster: 'test', ...(onEvents && { onEvents }) });
}

/** A copy of a capture that the test may change. */
function copyOf(capture: string): string {
  const directory = temporaryDirectory();
  cpSync(capture, directory, { recursive: true });
  rmSync(join(directory, 'truth.json'), { force: true });
  return directory;
}

describe('replay', () => {
  it('says the same of a capture given once and twice, from different paths', async () => {
    const once = await sourcesOfCapture(MISMATCH);
    const copy = await sourcesOfCapture(copyOf(MISMATCH));
    const twice = { hosts: [...copy.hosts, ...once.hosts], ignored: [] };
    expect((await replayed(twice)).report).toEqual((await replayed(once)).report);
  });

  it('says the same of rotated and of gzipped logs', async () => {
    const capture = copyOf(MISMATCH);
    const log = join(capture, 'hostb', 'audit.log');
    const bytes = readFileSync(log);
    // Between two records of one event: rotation does not care.
    const middle = bytes.indexOf('type=CWD', bytes.length / 2);
    const first = bytes.indexOf('\n', bytes.length / 4) + 1;
    writeFileSync(`${log}.2.gz`, gzipSync(bytes.subarray(0, first)));
    writeFileSync(`${log}.1`, bytes.subarray(first, middle));
    writeFileSync(log, bytes.subarray(middle));
    const whole = await replayed(await sourcesOfCapture(MISMATCH));
    const rotated = await replayed(await sourcesOfCapture(capture));
    expect(rotated.report).toEqual(whole.report);
    expect(rotated.notes.files).toBe(whole.notes.files + 2);
  });

  it('doubts what an older part of a log could tell that cannot be unpacked', async () => {
    const capture = copyOf(MISMATCH);
    const log = join(capture, 'hostb', 'audit.log');
    writeFileSync(`${log}.1.xz`, Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04]));
    const { report, notes } = await replayed(await sourcesOfCapture(capture));
    expect(notes.unreadable.map(String)).toEqual([expect.stringContaining('packed with xz')]);
    expect(report.hosts.find(({ host }) => host === 'hostb')?.gaps).toEqual(
      expect.arrayContaining([expect.objectContaining({ text: expect.stringContaining('audit.log.1.xz') })]),
    );
  });

  it('finds the incident in files that are named one by one', async () => {
    const { report } = await replayed(
      await sourcesOfNamedFiles([
        ...['hosta', 'hostb'].flatMap((host) => [
          {
            option: '--audit',
            host,
            pattern: `${MISMATCH}/${host}/audit.log*`,
            is: { stream: 'audit' as const },
          },
          {
            option: '--events',
            host,
            pattern: `${MISMATCH}/${host}/virsh-event.log`,
            is: { stream: 'virsh-event' as const },
          },
          { option: '--facts', host, pattern: `${MISMATCH}/${host}`, is: 'facts-directory' as const },
        ]),
      ]),
    );
    expect(report.findings.map((finding) => [finding.verdict, finding.cause])).toEqual([
      ['violation', 'destination-config-mismatch'],
    ]);
  });

  it('takes nothing new from an audisp plugin’s copy of the audit log', async () => {
    const capture = copyOf(join(CAPTURES, 'node-name'));
    const withCopy = await replayed(await sourcesOfCapture(capture));
    for (const host of ['hosta', 'hostb']) rmSync(join(capture, host, 'audit-plugin.log'));
    const without = await replayed(await sourcesOfCapture(capture));
    expect(withCopy.report.relabels).toEqual(without.report.relabels);
    expect(withCopy.report.hosts.map((host) => host.gaps)).toEqual(
      without.report.hosts.map((host) => host.gaps),
    );
  });

  it('goes on without a file that cannot be read, and counts it as a gap', async () => {
    const capture = copyOf(MISMATCH);
    rmSync(join(capture, 'hosta', 'virsh-event.log'));
    mkdirSync(join(capture, 'hosta', 'virsh-event.log'));
    rmSync(join(capture, 'hostb', 'mountinfo'));
    symlinkSync('nowhere', join(capture, 'hostb', 'mountinfo'));
    const { report, notes } = await replayed(await sourcesOfCapture(capture));
    expect(notes.unreadable.map((error) => [error.code, error.where])).toEqual([
      ['MA_UNREADABLE', join(capture, 'hosta', 'virsh-event.log')],
      ['MA_NOT_FOUND', join(capture, 'hostb', 'mountinfo')],
    ]);
    const gaps = report.hosts.flatMap(({ host, gaps }) =>
      gaps.map(({ kind, stream }) => [host, kind, stream]),
    );
    expect(gaps).toContainEqual(['hosta', 'file-unreadable', 'virsh-event']);
    expect(gaps).toContainEqual(['hostb', 'file-unreadable', 'host-facts']);
  });

  it('says which streams it covered, without those of which a file is missing', async () => {
    const capture = copyOf(MISMATCH);
    mkdirSync(join(capture, 'hosta', 'audit.log.1'));
    const covered = new Map<string, string[]>();
    await replayed(await sourcesOfCapture(capture), async (events) => {
      for (const event of events)
        if (event.kind === 'Heartbeat')
          covered.set(
            event.host,
            event.body.streams.map(({ stream }) => stream),
          );
    });
    expect(covered.get('hostb')).toContain('audit');
    expect(covered.get('hosta')).not.toContain('audit');
    expect(covered.get('hosta')).toContain('virsh-event');
  });

  it('fails when not one file can be read', async () => {
    const capture = temporaryDirectory();
    mkdirSync(join(capture, 'hosta', 'audit.log'), { recursive: true });
    await expect(replayed(await sourcesOfCapture(capture))).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
  });

  it('counts lines it cannot read and marks the time around them as a gap', async () => {
    const capture = copyOf(MISMATCH);
    const log = join(capture, 'hosta', 'audit.log');
    writeFileSync(log, Buffer.concat([Buffer.alloc(200_000, 'x'), Buffer.from('\n'), readFileSync(log)]));
    const { report, notes } = await replayed(await sourcesOfCapture(capture));
    expect(notes.rejected_lines).toBe(1);
    expect(notes.rejected[0]).toMatchObject({ file: log, offset: 0 });
    expect(report.hosts[0]?.gaps).toContainEqual(
      expect.objectContaining({ kind: 'rejected-lines', lost: 1 }),
    );
  });

  it('dates snapshots by the t1 of their host, else by the last stamp that it has', async () => {
    const capture = copyOf(MISMATCH);
    const snapshotTimes = async () => {
      const times = new Set<number>();
      await replayed(await sourcesOfCapture(capture), async (events) => {
        for (const event of events)
          if (event.host === 'hosta' && event.kind === 'HostFactsRead') times.add(event.at);
      });
      return [...times];
    };
    expect(await snapshotTimes()).toEqual([1795396325_699122]);
    rmSync(join(capture, 'hosta', 't1'));
    const [time] = await snapshotTimes();
    expect(time).toBeGreaterThan(1795396320_000000);
    expect(time).toBeLessThan(1795396330_000000);
  });

  it('gives every event a witness of its own, so that no chunk of a file is held', async () => {
    const sizes: number[] = [];
    await replayed(await sourcesOfCapture(MISMATCH), async (events) => {
      for (const { witness } of events) sizes.push(witness.buffer.byteLength);
    });
    expect(sizes.length).toBeGreaterThan(100);
    expect(Math.max(...sizes)).toBeLessThan(64 * 1024);
  });

  it('stops where it is told to', async () => {
    const controller = new AbortController();
    controller.abort();
    const sources = await sourcesOfCapture(MISMATCH);
    await expect(replay(sources, { cluster: 'test', signal: controller.signal })).rejects.toThrow(/abort/i);
  });

  it('has times with microseconds in its JSON form', async () => {
    const { report } = await replayed(await sourcesOfCapture(MISMATCH));
    for (const { at } of reportJson(report).timeline) expect(at).toMatch(/^2026-11-23T01:1\d:\d\d\.\d{6}Z$/);
  });
});

describe('sourcesOfNamedFiles', () => {
  const audit = (pattern: string) => [
    { option: '--audit', host: 'hosta', pattern, is: { stream: 'audit' as const } },
  ];

  it('expands * and ? in any part of the path, oldest file first', async () => {
    const directory = temporaryDirectory({
      'x1/audit.log': '',
      'x1/audit.log.1': '',
      'x1/.audit.log.2': '',
      'y/audit.log': '',
    });
    const { hosts } = await sourcesOfNamedFiles(audit(`${directory}/x?/audit.log*`));
    expect(hosts[0]?.streams[0]?.files).toEqual([
      join(directory, 'x1/audit.log.1'),
      join(directory, 'x1/audit.log'),
    ]);
  });

  it('takes brackets, dots and plus signs for themselves', async () => {
    const directory = temporaryDirectory({ 'a+[1].log': '', aa1xlog: '' });
    const { hosts } = await sourcesOfNamedFiles(audit(`${directory}/a+[1].lo?`));
    expect(hosts[0]?.streams[0]?.files).toEqual([join(directory, 'a+[1].log')]);
  });

  it('says which pattern matches nothing', async () => {
    await expect(sourcesOfNamedFiles(audit('/nowhere/*.log'))).rejects.toMatchObject({
      code: 'MA_NOT_FOUND',
      where: '--audit hosta=/nowhere/*.log',
    });
  });

  it('keeps the logs of guests apart and their rotated files together', async () => {
    const directory = temporaryDirectory({ 'a.log': '', 'a.log.1': '', 'b.log': '' });
    const { hosts } = await sourcesOfNamedFiles([
      { option: '--guest-log', host: 'hosta', pattern: `${directory}/*.log*`, is: { stream: 'guest-log' } },
    ]);
    expect(hosts[0]?.streams.map((stream) => stream.files.length)).toEqual([2, 1]);
  });
});
