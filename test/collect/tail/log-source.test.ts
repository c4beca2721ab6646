import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { auditFileSource, daemonLogSource } from '../../../src/collect/tail/log-source.js';
import type { Event, GapDetected } from '../../../src/events/event.js';
import { temporaryDirectory } from '../../replay/temporary-directory.js';
import {
  type Collecting,
  clock,
  eventLog,
  eventsIn,
  eventually,
  idsOfReplay,
  PACE,
  PLACE,
  startCollecting,
} from '../collecting.js';

const CAPTURES = new URL('../../golden/captures/', import.meta.url).pathname;

/** One guest started, as auditd writes it. */
function started(serial: number): string {
  const stamp = `${1_795_400_000 + serial}.000:${serial}`;
  return `type=VIRT_CONTROL msg=audit(${stamp}): pid=1 uid=0 auid=0 ses=0 msg='virt=kvm op=start reason=booted vm="a" uuid=7e570000-0000-4000-8000-000000000001 vm-pid=9 exe="/usr/sbin/libvirtd" res=success'\n`;
}

function serials(events: readonly Event[]): number[] {
  return events.flatMap((event) => (event.kind === 'GuestStarted' ? [event.body.serial as number] : []));
}

function gapsOf(events: readonly Event[]): GapDetected[] {
  return events.flatMap((event) => (event.kind === 'GapDetected' ? [event.body] : []));
}

/** A collector of one audit log, that can be stopped and started. */
function world(tree: Record<string, string | Buffer>) {
  const directory = temporaryDirectory({ 'log/.keep': '', ...tree });
  const path = join(directory, 'log/audit.log');
  const log = eventLog(join(directory, 'spool'));
  let collecting: Collecting | null = null;
  const start = (from: 'end' | 'beginning' | 'oldest' = 'beginning') => {
    const source = auditFileSource({ name: 'audit', path, from, place: PLACE, clock, pace: PACE });
    collecting = startCollecting([source], log);
    return source;
  };
  const stop = async () => collecting?.stop();
  const reason = () => collecting?.health.conditions.find(({ name }) => name === 'audit')?.reason ?? null;
  const has = (serial: number) => eventually(async () => serials(await eventsIn(log)).includes(serial));
  return { directory, path, log, start, stop, reason, has };
}

describe('the audit log as a source', () => {
  it('gives the events that a replay gives, id for id', async () => {
    const capture = join(CAPTURES, 'bounce-restart/hostb/audit.log');
    const { log, start, stop } = world({ 'log/audit.log': readFileSync(capture) });
    const source = start();
    const from = clock();
    await eventually(() => (source.watermark_us() ?? 0) > from - 500_000);
    await stop();
    const wanted = await idsOfReplay(capture, 'audit');
    const got = (await eventsIn(log)).filter(({ stream }) => stream === 'audit').map(({ id }) => id);
    expect(wanted.length).toBeGreaterThan(20);
    expect(got.sort()).toEqual(wanted.sort());
  });

  it('begins at the end of a log that was never read, and says that what was before is not known', async () => {
    const { path, log, start, stop, has } = world({ 'log/audit.log': started(1) + started(2) });
    start('end');
    await eventually(async () => gapsOf(await eventsIn(log)).length > 0);
    appendFileSync(path, started(3));
    await has(3);
    await stop();
    expect(serials(await eventsIn(log))).toEqual([3]);
    expect(gapsOf(await eventsIn(log))).toMatchObject([{ kind: 'collector-down', from: null }]);
  });

  it('reads what came while it was down, although it began at the end of an empty log', async () => {
    const { path, log, start, stop, has } = world({ 'log/audit.log.1': started(1), 'log/audit.log': '' });
    start('end');
    await eventually(() => log.checkpoint('audit') !== null);
    await stop();
    appendFileSync(path, started(2));
    renameSync(`${path}.1`, `${path}.2`);
    renameSync(path, `${path}.1`);
    writeFileSync(path, started(3));
    start('end');
    await has(3);
    await stop();
    expect(serials(await eventsIn(log))).toEqual([2, 3]);
  });

  it.each([
    ['beginning', [3]],
    ['oldest', [1, 2, 3]],
  ] as const)('begins at the %s when it is told to, packed files included', async (from, wanted) => {
    const { log, start, stop, has } = world({
      'log/audit.log.2.gz': gzipSync(started(1)),
      'log/audit.log.1': started(2),
      'log/audit.log': started(3),
    });
    start(from);
    await has(3);
    await stop();
    expect(serials(await eventsIn(log))).toEqual(wanted);
  });

  it('waits for a log that is not there, and says so', async () => {
    const { path, reason, start, stop, has } = world({});
    start('end');
    await eventually(() => reason() === 'no such file');
    writeFileSync(path, started(1));
    await has(1);
    expect(reason()).toBeNull();
    await stop();
  });

  it.each([
    ['a directory', (path: string) => mkdirSync(path), (path: string) => rmdirSync(path)],
    ['a pipe', (path: string) => execFileSync('mkfifo', [path]), (path: string) => rmSync(path)],
  ])('is not held up by %s in its place', async (_, put, take) => {
    const { path, log, reason, start, stop, has } = world({ 'log/audit.log': started(1) });
    start();
    await has(1);
    renameSync(path, `${path}.1`);
    put(path);
    await eventually(() => reason() === 'it is no regular file');
    take(path);
    writeFileSync(path, started(2));
    await has(2);
    await stop();
    expect(serials(await eventsIn(log))).toEqual([1, 2]);
    expect(gapsOf(await eventsIn(log))).toEqual([]);
  });

  it('follows a symbolic link that takes its place', async () => {
    const { directory, path, start, stop, has } = world({
      'log/audit.log': started(1),
      'elsewhere/new': started(2),
    });
    start();
    await has(1);
    renameSync(path, `${path}.1`);
    symlinkSync(join(directory, 'elsewhere/new'), path);
    await has(2);
    appendFileSync(join(directory, 'elsewhere/new'), started(3));
    await has(3);
    await stop();
  });

  it('reads what is still written to the old file until the new one has something', async () => {
    const { path, log, start, stop, has } = world({ 'log/audit.log': started(1) });
    start();
    await has(1);
    renameSync(path, `${path}.1`);
    writeFileSync(path, '');
    await new Promise((resolve) => setTimeout(resolve, 50));
    appendFileSync(`${path}.1`, started(2));
    await has(2);
    appendFileSync(path, started(3));
    await has(3);
    await stop();
    expect(serials(await eventsIn(log))).toEqual([1, 2, 3]);
  });

  it('tells a log that was cut where it lies, and reads on', async () => {
    const { path, log, start, stop, has } = world({ 'log/audit.log': started(1) + started(2) });
    start();
    await has(2);
    truncateSync(path, 0);
    appendFileSync(path, started(9));
    await has(9);
    await stop();
    expect(gapsOf(await eventsIn(log))).toMatchObject([{ kind: 'file-truncated', of_stream: 'audit' }]);
    const [gap] = gapsOf(await eventsIn(log));
    expect(gap?.from).toBeLessThanOrEqual((1_795_400_000 + 2) * 1e6);
    expect(gap?.to).toBeGreaterThanOrEqual((1_795_400_000 + 9) * 1e6);
  });

  it('tells a rotated file that is damaged, and reads on', async () => {
    const packed = gzipSync(started(1) + started(2).repeat(50));
    const { log, start, stop, has } = world({
      'log/audit.log.1.gz': packed.subarray(0, packed.length - 20),
      'log/audit.log': started(3),
    });
    start('oldest');
    await has(3);
    await eventually(async () => gapsOf(await eventsIn(log)).some(({ kind }) => kind === 'file-unreadable'));
    await stop();
  });

  it('reads everything again, behind a gap, when its checkpoint says nothing', async () => {
    const { log, start, stop, has } = world({ 'log/audit.log.1': started(1), 'log/audit.log': started(2) });
    await log.append({ records: [], checkpoints: new Map([['audit', Buffer.from('{"position":7}')]]) });
    start('end');
    await has(2);
    await stop();
    expect(serials(await eventsIn(log))).toEqual([1, 2]);
    expect(gapsOf(await eventsIn(log))).toMatchObject([{ kind: 'file-truncated', from: null }]);
  });
});

describe('a daemon’s log as a source', () => {
  it('gives the events that a replay gives, id for id', async () => {
    const capture = join(CAPTURES, 'shareable/hostb/libvirtd-journal.log');
    const directory = temporaryDirectory({ 'libvirtd.log': readFileSync(capture) });
    const path = join(directory, 'libvirtd.log');
    const log = eventLog();
    const source = daemonLogSource({
      name: 'daemon-log',
      path,
      from: 'beginning',
      place: PLACE,
      clock,
      pace: PACE,
    });
    const collecting = startCollecting([source], log);
    const from = clock();
    await eventually(() => (source.watermark_us() ?? 0) > from - 500_000);
    await collecting.stop();
    const wanted = await idsOfReplay(capture, 'daemon-log');
    const got = (await eventsIn(log)).filter(({ stream }) => stream === 'daemon-log').map(({ id }) => id);
    expect(wanted.length).toBeGreaterThan(20);
    expect(got.sort()).toEqual(wanted.sort());
  });
});
