import { describe, expect, it } from 'vitest';
import { AuditReader } from '../../../src/collect/audit/reader.js';
import type { Event } from '../../../src/events/event.js';
import { eventsOf, only, type Reading, read, recordFile } from './reading.js';

const chown = recordFile('chown-abs-ok', 'raw.log').toString('latin1').trimEnd().split('\n');
const BASE_S = 1795393756;

/** Lines of a chown event (all by default) at `second` and with `serial`. */
function event(serial: number, second = 0, kept = [0, 1, 2, 3]): string[] {
  return kept.map((i) =>
    (chown[i] as string).replace(`${BASE_S}.308:375`, `${BASE_S + second}.308:${serial}`),
  );
}

function daemon(serial: number, second: number, type = 'DAEMON_START'): string[] {
  return [`type=${type} msg=audit(${BASE_S + second}.000:${serial}): op=start ver=4.0.2 res=success`];
}

function readLines(...events: string[][]): Reading {
  return read(`${events.flat().join('\n')}\n`);
}

function gaps(reading: Reading, kind: string) {
  return eventsOf(reading, 'GapDetected')
    .map(({ body }) => body)
    .filter((body) => body.kind === kind);
}

describe('events with records missing', () => {
  it.each([
    [[0, 1, 3], ['PATH']],
    [[0, 2, 3], ['CWD']],
    [
      [0, 3],
      ['CWD', 'PATH'],
    ],
    [[0, 1, 2], ['PROCTITLE']],
    [[0], ['CWD', 'PATH', 'PROCTITLE']],
  ])('records %j: %j are missing, the rest is told', (kept, missing) => {
    const reading = readLines(event(375), event(376, 1, kept), event(377, 9));
    const cut = eventsOf(reading, 'RelabelObserved').find(({ body }) => body.serial === 376);
    expect(cut?.body).toMatchObject({ asked_uid: 64055, asked_gid: 108, missing_records: missing });
    const [gap, ...more] = gaps(reading, 'audit-cut-event');
    expect(more).toEqual([]);
    expect(gap).toMatchObject({
      serial_from: 376,
      serial_to: 376,
      lost: 1,
      from: (BASE_S + 1) * 1e6 + 308000,
    });
  });

  it('a stream without any PROCTITLE is one by configuration', () => {
    const reading = readLines(event(375, 0, [0, 1, 2]), event(376, 3, [0, 1, 2]));
    expect(eventsOf(reading, 'RelabelObserved').map(({ body }) => body.missing_records)).toEqual([[], []]);
    expect(gaps(reading, 'audit-cut-event')).toEqual([]);
  });

  it('records without their SYSCALL are told as one gap, not as thousands', () => {
    const headless = Array.from({ length: 200 }, (_, i) =>
      event(376 + i, 0, [[1, 2, 3], [2, 3], [3]][i % 3]),
    );
    const reading = readLines(event(375), ...headless, event(576, 9));
    expect(gaps(reading, 'audit-cut-event')).toMatchObject([
      { serial_from: 376, serial_to: 575, lost: 200, from: BASE_S * 1e6 + 308000 },
    ]);
    expect(reading.rejected).toEqual([]);
  });
});

describe('serials', () => {
  const SERIALS = 2 ** 32;
  const run = (from: number, count: number, second = 0) =>
    Array.from({ length: count }, (_, i) => event((from + i) % SERIALS, second));

  it('missing ones are told with their number and the times around them', () => {
    const reading = readLines(...run(1, 10), ...run(21, 100, 5));
    expect(gaps(reading, 'audit-serial-gap')).toEqual([
      expect.objectContaining({
        serial_from: 11,
        serial_to: 20,
        lost: 10,
        from: BASE_S * 1e6 + 308000,
        to: (BASE_S + 5) * 1e6 + 308000,
      }),
    ]);
  });

  it('in another order are not missing', () => {
    const shuffled = [...run(1, 5), ...run(8, 40), ...run(6, 2), ...run(48, 100)];
    expect(gaps(readLines(...shuffled), 'audit-serial-gap')).toEqual([]);
  });

  it('holes of the same moment are one gap', () => {
    const everyThird = Array.from({ length: 300 }, (_, i) => event(1 + 3 * i));
    expect(gaps(readLines(...everyThird), 'audit-serial-gap')).toMatchObject([
      { serial_from: 2, serial_to: 897, lost: 598 },
    ]);
  });

  it('wrap around at 2^32', () => {
    expect(gaps(readLines(...run(SERIALS - 50, 150)), 'audit-serial-gap')).toEqual([]);
    expect(gaps(readLines(...run(SERIALS - 50, 45), ...run(5, 100)), 'audit-serial-gap')).toMatchObject([
      { serial_from: SERIALS - 5, serial_to: 4, lost: 10 },
    ]);
  });

  it("auditd's own numbers do not count", () => {
    const reading = readLines(...run(50, 5), daemon(8397, 0, 'DAEMON_ROTATE'), ...run(55, 100));
    expect(gaps(reading, 'audit-serial-gap')).toEqual([]);
  });

  it('begin anew after a boot', () => {
    const reading = readLines(...run(90_000, 100), ...run(3, 100, 60));
    expect(gaps(reading, 'audit-serial-gap')).toEqual([]);
    const near = readLines(...run(300, 100), daemon(4711, 60), ...run(3, 10, 60), ...run(23, 100, 61));
    expect(gaps(near, 'audit-serial-gap')).toMatchObject([{ serial_from: 13, serial_to: 22, lost: 10 }]);
  });

  it('one garbled serial invents no gap, a real jump is one', () => {
    const garbled = readLines(...run(1, 50), event(9_000_051), ...run(52, 100));
    expect(gaps(garbled, 'audit-serial-gap').map(({ lost }) => lost)).toEqual([1]);
    const jump = readLines(...run(1, 50), ...run(100_051, 100));
    expect(gaps(jump, 'audit-serial-gap')).toMatchObject([
      { serial_from: 51, serial_to: 100_050, lost: 100_000 },
    ]);
  });

  it('of other nodes are counted apart', () => {
    const mixed = run(1, 100).flatMap((lines, i) => [
      lines.map((line) => `node=a ${line}`),
      (run(5000 + i, 1)[0] as string[]).map((line) => `node=b ${line}`),
    ]);
    const reading = readLines(...mixed);
    expect(gaps(reading, 'audit-serial-gap')).toEqual([]);
    expect(eventsOf(reading, 'RelabelObserved')).toHaveLength(200);
  });
});

describe('a log that rests', () => {
  const first = [event(1), event(20), event(21, 0, [2, 3])];
  const later = [event(22, 3), event(30, 3), event(31, 3)];

  function readResting(...parts: string[][][]): Event[] {
    const events: Event[] = [];
    const sink = { event: (told: Event) => events.push(told), rejected: () => {}, foreign: () => {} };
    const reader = new AuditReader({ cluster: 'lab', host: 'hosta', boot: null, file: 'audit.log' }, sink);
    for (const part of parts) {
      reader.write(Buffer.from(`${part.flat().join('\n')}\n`, 'latin1'));
      reader.quiet();
    }
    return events.filter(({ kind }) => kind === 'GapDetected');
  }

  it('has told what is missing in it', () => {
    expect(readResting(first).map(({ body }) => body)).toMatchObject([
      { kind: 'audit-serial-gap', serial_from: 2, serial_to: 19 },
      { kind: 'audit-cut-event', serial_from: 21, serial_to: 21 },
    ]);
  });

  it('tells the same as one that is read at once', () => {
    const atOnce = eventsOf(readLines(...first, ...later), 'GapDetected');
    const told = (events: readonly Event[]) => events.map(({ id, body }) => [id, body]).sort();
    expect(told(readResting(first, later))).toEqual(told(atOnce));
  });
});

describe('changes of what is logged', () => {
  const change = (body: string) =>
    read(`type=CONFIG_CHANGE msg=audit(${BASE_S}.308:375): ${body} auid=0 ses=1 res=1\n`);
  const at = BASE_S * 1e6 + 308000;

  it.each([
    ['op=set audit_enabled=0 old=1', 'audit-disabled', at, null],
    ['audit_enabled=0 old=1', 'audit-disabled', at, null],
    ['op=set audit_enabled=1 old=0', 'audit-disabled', null, at],
    ['op=remove_rule key="vmimg" list=4', 'audit-rules-changed', at, at],
    ['op=add_rule key="vmimg" list=4', 'audit-rules-changed', at, at],
    ['op=set audit_backlog_limit=64 old=8192', 'audit-rules-changed', at, at],
    ['op=set audit_rate_limit=20 old=0', 'audit-rules-changed', at, at],
  ])('%s: %s', (body, kind, from, to) => {
    expect(only(change(body), 'GapDetected').body).toMatchObject({ kind, from, to });
  });

  it.each([
    'op=set audit_enabled=1 old=1',
    'op=set audit_backlog_limit=64 old=64',
    'op=set audit_pid=1 old=0',
  ])('%s changes nothing', (body) => {
    expect(change(body).events).toEqual([]);
  });

  it('the call that made the change is none of ours', () => {
    const syscall = chown.map((line) => line.replace('syscall=92', 'syscall=44'));
    const reading = readLines(
      [`type=CONFIG_CHANGE msg=audit(${BASE_S}.308:375): op=add_rule key="x" list=4 res=1`],
      [syscall[0] as string, syscall[3] as string],
    );
    expect(reading.events.map(({ kind }) => kind)).toEqual(['GapDetected']);
    expect(reading.rejected).toEqual([]);
  });
});
