import { describe, expect, it } from 'vitest';
import { AuditReader } from '../../src/collect/audit/reader.js';
import { decodeEvent, encodeEvent } from '../../src/events/codec.js';
import { accountedBytes, eventsOf, type Reading, read, recordFile } from '../collect/audit/reading.js';
import { Tally } from './tally.js';

/** Input that is well formed line by line and absurd as a whole. */

const CHOWN = recordFile('chown-abs-ok', 'raw.log').toString('latin1');
const [SYSCALL = '', CWD = '', PATH = ''] = CHOWN.split('\n');
const START = recordFile('selinux-virt-control-start', 'raw.log').toString('latin1');

function longPath(line: string, bytes: number): string {
  return line.replace(/name="[^"]*"/, `name="/${'a'.repeat(bytes)}"`);
}

function expectAllStorable({ events }: Reading): void {
  for (const event of events) expect(decodeEvent(encodeEvent(event)).id).toBe(event.id);
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
}

describe('one event of very many, very long records', () => {
  const paths = `${longPath(PATH, 60_000)}\n`.repeat(400);

  it('with its call: keeps as many as an event can hold and rejects the rest', () => {
    const bytes = `${SYSCALL}\n${CWD}\n${paths}`;
    const reading = read(bytes);
    expectAllStorable(reading);
    expect(eventsOf(reading, 'RelabelObserved')).toHaveLength(1);
    expect(new Set(reading.rejected.map(({ reason }) => reason))).toEqual(new Set(['too-many-records']));
    expect(accountedBytes(reading)).toBe(bytes.length);
  });

  it('without its call: the same', () => {
    const reading = read(paths);
    expectAllStorable(reading);
    expect(eventsOf(reading, 'GapDetected').map(({ body }) => body.kind)).toContain('audit-cut-event');
    expect(new Set(reading.rejected.map(({ reason }) => reason))).toEqual(new Set(['too-many-records']));
    expect(accountedBytes(reading)).toBe(paths.length);
  });
});

it('many events without their calls are told in gaps that can be stored', () => {
  const lines = Array.from({ length: 400 }, (_, i) =>
    longPath(PATH, 60_000).replace(/:\d+\)/, `:${1000 + i})`),
  );
  const bytes = `${lines.join('\n')}\n`;
  const reading = read(bytes);
  expectAllStorable(reading);
  expect(reading.rejected).toEqual([]);
  expect(accountedBytes(reading)).toBe(bytes.length);
});

it('a hundred thousand events of one moment that never end are not kept for ever', () => {
  const tally = new Tally();
  const reader = new AuditReader({ cluster: 'lab', host: 'hosta', boot: null, file: 'audit.log' }, tally);
  const rssBefore = process.memoryUsage().rss;
  let bytes = 0;
  for (let serial = 1; serial < 100_000; ) {
    let text = '';
    for (let i = 0; i < 1000; i++) text += `${SYSCALL.replace(/:\d+\)/, `:${serial++})`)}\n`;
    bytes += text.length;
    reader.write(Buffer.from(text));
  }
  reader.end();
  expect(tally.accountedBytes).toBe(bytes);
  expect(process.memoryUsage().rss - rssBefore).toBeLessThan(300 << 20);
});

it.each([
  ['a time after 2106', 'audit(4294967296.000:1)'],
  ['a time of eleven digits', 'audit(99999999999.999:1)'],
  ['a serial of 33 bits', 'audit(1795393756.308:4294967296)'],
  ['a negative serial', 'audit(1795393756.308:-1)'],
  ['a negative time', 'audit(-1795393756.308:1)'],
])('%s is no stamp', (_, stamp) => {
  const line = SYSCALL.replace(/audit\([^)]*\)/, stamp);
  const reading = read(`${line}\n`);
  expect(reading.rejected.map(({ reason }) => reason)).toEqual(['bad-stamp']);
  expectAllStorable(reading);
});

it('serials that wrap around are no gap', () => {
  const serials = [4294967293, 4294967294, 4294967295, 0, 1, 2];
  const reading = read(serials.map((serial) => CHOWN.replaceAll(/:\d+\)/g, `:${serial})`)).join(''));
  expect(eventsOf(reading, 'GapDetected')).toEqual([]);
  expect(eventsOf(reading, 'RelabelObserved').map(({ body }) => body.serial)).toEqual(serials);
});

it.each([
  ['exit', 'exit=0', `exit=${'9'.repeat(170)}`, 'exit'],
  ['exit', 'exit=0', 'exit=-9007199254740993', 'exit'],
  ['pid', / pid=\d+/, ' pid=99999999999999999999', 'pid'],
  ['a0 of 17 digits', / a1=\w+/, ' a1=00000000000000000', 'asked_uid'],
])('a call whose %s is garbled keeps the rest', (_, part, garbled, field) => {
  const reading = read(CHOWN.replace(part, garbled));
  const [relabel] = eventsOf(reading, 'RelabelObserved');
  expect(relabel?.body[field as 'exit']).toBeNull();
  expect(relabel?.body.inode).toBe('2244785');
  expectAllStorable(reading);
});

it.each(['9007199254740991', '2147483648', '1e5', '0x10', '-1', '0'])('vm-pid=%s is no process', (pid) => {
  const reading = read(START.replaceAll(/vm-pid=\d+/g, `vm-pid=${pid}`));
  const [started] = eventsOf(reading, 'GuestStarted');
  expect(started?.body.qemu_pid).toBeNull();
  expectAllStorable(reading);
});

it('a last line without its newline counts as if it had one', () => {
  const reading = read(CHOWN.slice(0, -1));
  expect(eventsOf(reading, 'RelabelObserved')).toHaveLength(1);
  expect(accountedBytes(reading)).toBe(CHOWN.length);
});
