import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestLogsSource } from '../../../src/collect/tail/guest-logs.js';
import type { Event } from '../../../src/events/event.js';
import { temporaryDirectory } from '../../replay/temporary-directory.js';
import {
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

function shutDown(second: number, ms = 0): string {
  return `2026-11-23 01:11:${String(second).padStart(2, '0')}.${String(ms).padStart(3, '0')}+0000: shutting down, reason=shutdown\n`;
}

function told(events: readonly Event[]): string[] {
  return events.flatMap((event) =>
    event.kind === 'DomainEventSeen'
      ? [`${event.body.guest.name} ${new Date(event.at / 1000).getUTCSeconds()}`]
      : [],
  );
}

function world(tree: Record<string, string | Buffer>) {
  const directory = temporaryDirectory(tree);
  const log = eventLog();
  const start = (from: 'end' | 'oldest' = 'oldest') => {
    const source = guestLogsSource({ name: 'guest-logs', directory, from, place: PLACE, clock, pace: PACE });
    return { source, ...startCollecting([source], log) };
  };
  const has = (word: string) => eventually(async () => told(await eventsIn(log)).includes(word));
  return { directory, log, start, has };
}

describe('the logs of guests as one source', () => {
  it('give the events that a replay of each gives', async () => {
    const capture = join(CAPTURES, 's4-mismatch-fail/hosta/qemu-vm1.log');
    const { log, start } = world({ 'qemu-vm1.log': readFileSync(capture) });
    const { source, stop } = start();
    const from = clock();
    await eventually(() => (source.watermark_us() ?? 0) > from - 500_000);
    await stop();
    const wanted = await idsOfReplay(capture, 'guest-log');
    const got = (await eventsIn(log)).filter(({ stream }) => stream === 'guest-log').map(({ id }) => id);
    expect(wanted.length).toBeGreaterThan(2);
    expect(got.sort()).toEqual(wanted.sort());
  });

  it('come and go, are rotated and go on', async () => {
    const { directory, log, start, has } = world({ 'a.log': shutDown(1) });
    const { stop } = start();
    await has('a 1');
    writeFileSync(join(directory, 'b.log'), shutDown(2));
    await has('b 2');
    renameSync(join(directory, 'b.log'), join(directory, 'b.log.0'));
    writeFileSync(join(directory, 'b.log'), shutDown(3));
    await has('b 3');
    copyFileSync(join(directory, 'a.log'), join(directory, 'a.log.1'));
    truncateSync(join(directory, 'a.log'), 0);
    appendFileSync(join(directory, 'a.log'), shutDown(4));
    await has('a 4');
    rmSync(join(directory, 'b.log'));
    rmSync(join(directory, 'b.log.0'));
    writeFileSync(join(directory, 'c.log'), shutDown(5));
    await has('c 5');
    await stop();
    expect(told(await eventsIn(log))).toEqual(['a 1', 'b 2', 'b 3', 'a 4', 'c 5']);
  });

  it('go on where they were left, also with what was rotated meanwhile', async () => {
    const { directory, log, start, has } = world({ 'a.log': shutDown(1) + shutDown(2) });
    const first = start();
    await has('a 2');
    await first.stop();
    appendFileSync(join(directory, 'a.log'), shutDown(3));
    renameSync(join(directory, 'a.log'), join(directory, 'a.log.0'));
    writeFileSync(join(directory, 'a.log'), shutDown(4));
    const second = start();
    await has('a 4');
    await second.stop();
    expect(told(await eventsIn(log))).toEqual(['a 1', 'a 2', 'a 3', 'a 4']);
  });

  it('begin at their ends when nothing was read before, and are read whole when they are new', async () => {
    const { directory, log, start, has } = world({ 'a.log': shutDown(1), 'b.log': shutDown(2) });
    const { stop } = start('end');
    await eventually(async () => (await eventsIn(log)).length > 0);
    appendFileSync(join(directory, 'a.log'), shutDown(3));
    writeFileSync(join(directory, 'c.log'), shutDown(4) + shutDown(5));
    await has('a 3');
    await has('c 5');
    await stop();
    const events = await eventsIn(log);
    expect(told(events).sort()).toEqual(['a 3', 'c 4', 'c 5']);
    expect(events.filter(({ kind }) => kind === 'GapDetected')).toHaveLength(1);
  });

  it('leave out what a guest itself writes to its console', async () => {
    const { log, start, has } = world({ 'a.log': shutDown(1), 'a-serial.log': shutDown(2) });
    const { stop } = start();
    await has('a 1');
    await stop();
    expect(told(await eventsIn(log))).toEqual(['a 1']);
  });

  it('are read however many there are', async () => {
    const names = Array.from({ length: 150 }, (_, n) => `guest-${n}`);
    const { log, start } = world(Object.fromEntries(names.map((name, n) => [`${name}.log`, shutDown(7, n)])));
    const { source, stop } = start();
    const from = clock();
    await eventually(() => (source.watermark_us() ?? 0) > from - 500_000);
    await stop();
    expect(told(await eventsIn(log)).sort()).toEqual(names.map((name) => `${name} 7`).sort());
  });

  it('wait for a directory that is not there, and say so', async () => {
    const { directory, start, has } = world({});
    rmSync(directory, { recursive: true });
    const { health, stop } = start();
    await eventually(() =>
      health.conditions.some(({ reason }) => reason?.startsWith('no such file') ?? false),
    );
    renameSync(temporaryDirectory({ 'a.log': shutDown(1) }), directory);
    await has('a 1');
    await stop();
  });
});
