import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accountedBytes,
  eventsOf,
  facts,
  only,
  type Reading,
  read,
  recordFile,
  scenarios,
} from './reading.js';

const GS = '\x1d';
const enriched = Buffer.concat(scenarios().map((scenario) => recordFile(scenario, 'enriched.log')));
const lines = enriched.toString('latin1').split('\n').slice(0, -1);
const expected = facts(read(enriched));

/** linux/audit.h */
const NUMBERS = {
  SYSCALL: 1300,
  PATH: 1302,
  CWD: 1307,
  PROCTITLE: 1327,
  URINGOP: 1336,
  AVC: 1400,
  VIRT_CONTROL: 2500,
  VIRT_RESOURCE: 2501,
  VIRT_MACHINE_ID: 2502,
};

function reading(rewritten: string[]): unknown[] {
  return facts(read(Buffer.from(`${rewritten.join('\n')}\n`, 'latin1')));
}

describe('the same events in another form are the same facts', () => {
  it('RAW is ENRICHED cut at 0x1d', () => {
    expect(reading(lines.map((line) => line.split(GS)[0] as string))).toEqual(expected);
  });

  it('ausearch --raw adds empty interpretations and marks', () => {
    const printed = lines.flatMap((line) => [
      ...(line.includes('type=SYSCALL') ? ['----', 'time->Mon Nov 23 00:47:03 2026'] : []),
      line.includes(GS) ? line : line + GS,
    ]);
    expect(reading(printed)).toEqual(expected);
  });

  it.each(['', ' '])('a plugin is sent EOE, with %j after the colon', (blank) => {
    const sent = lines.flatMap((line) => {
      const stamp = line.match(/msg=audit\([\d.:]+\):/)?.[0];
      return line.includes('type=PROCTITLE') ? [line, `type=EOE ${stamp}${blank}`] : [line];
    });
    expect(reading(sent)).toEqual(expected);
  });

  it('lines end with CR LF', () => {
    expect(reading(lines.map((line) => `${line}\r`))).toEqual(expected);
  });

  it.each(['', '  '])('%j stands after the stamp', (blank) => {
    expect(reading(lines.map((line) => line.replace('): ', `):${blank}`)))).toEqual(expected);
  });

  it.each([
    ['syslog', 'Nov 23 00:47:10 hosta audispd: '],
    ['syslog on the wire', '<189>Nov  3 00:47:10 hosta.example audisp-syslog[812]: '],
    ['the journal', '2026-11-23T00:47:10.123456+00:00 hosta audisp-syslog[812]: '],
    ['an editor', '\xef\xbb\xbf \t'],
  ])('%s put something before the record', (_, prefix) => {
    const input = Buffer.from(lines.map((line) => `${prefix}${line}\n`).join(''), 'latin1');
    const reading = read(input);
    expect(facts(reading)).toEqual(expected);
    expect(accountedBytes(reading)).toBe(input.length);
  });

  it.each([
    ['auditd older than the kernel', 'type=UNKNOWN[$] msg=audit('],
    ['the kernel without auditd', 'Nov 23 00:47:10 hosta kernel: [   12.345678] audit: type=$ audit('],
  ])('%s gives types as numbers', (_, head) => {
    const numbered = lines.map((line) =>
      line.replace(/^type=(\w+) msg=audit\(/, (__, name: keyof typeof NUMBERS) =>
        head.replace('$', String(NUMBERS[name] ?? 1999)),
      ),
    );
    const bodies = (reading: Reading) => reading.events.map(({ kind, at, body }) => ({ kind, at, body }));
    expect(bodies(read(Buffer.from(`${numbered.join('\n')}\n`, 'latin1')))).toEqual(bodies(read(enriched)));
  });

  it('what stands before a record and is no known prefix leaves the line unread', () => {
    const line = lines.find((each) => each.startsWith('type=SYSCALL')) as string;
    for (const prefix of ['x', 'said: ', 'Nov 23 hosta said: ', '2026 hosta x: '])
      expect(read(`${prefix}${line}\n`).rejected.map(({ reason }) => reason)).toEqual(['not-a-record']);
  });

  it.each(['(null)', 'hosta.example'])('node=%s is part of the identity and of nothing else', (node) => {
    const named = read(Buffer.from(`${lines.map((line) => `node=${node} ${line}`).join('\n')}\n`, 'latin1'));
    expect(named.rejected).toEqual([]);
    const renamed = JSON.stringify(facts(named))
      .replaceAll(`@${node}`, '')
      .replaceAll(`"node":"${node}"`, '"node":null');
    expect(JSON.parse(renamed)).toEqual(JSON.parse(JSON.stringify(expected)));
  });
});

describe('where chunks are cut does not matter', () => {
  it.each([1, 2, 3, 7, 64, 1000, 4096])('chunks of %i bytes', (size) => {
    const whole = read(enriched);
    const cut = read(enriched, () => size);
    expect(cut).toEqual(whole);
    expect(accountedBytes(cut)).toBe(enriched.length);
  });

  it('any chunks', () => {
    const whole = facts(read(enriched));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 50 }), (sizes) => {
        let next = 0;
        expect(facts(read(enriched, () => sizes[next++ % sizes.length] as number))).toEqual(whole);
      }),
      { seed: 20261123, numRuns: 20 },
    );
  });

  it('a file ends in the middle of an event and the next one goes on', () => {
    const bytes = recordFile('chown-abs-ok', 'raw.log');
    for (let border = bytes.indexOf(10) + 1; border > 0; border = bytes.indexOf(10, border) + 1) {
      const split = read([bytes.subarray(0, border), bytes.subarray(border)]);
      expect(facts(split)).toEqual(facts(read(bytes)));
      expect(only(split, 'RelabelObserved').witness).toEqual(bytes.subarray(0, -1));
    }
  });
});

describe('records of several events', () => {
  const chown = recordFile('chown-abs-ok', 'raw.log').toString('latin1').trimEnd().split('\n');
  const others = [1, 2, 3].map((n) => chown.map((line) => line.replace(':375)', `:${375 + n})`)));

  it('are put together in any interleaving', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 16, maxLength: 16 }), (turns) => {
        const queues = [chown, ...others].map((event) => [...event]);
        const mixed: string[] = [];
        for (const turn of [...turns, ...turns.keys()]) {
          const line = queues[turn % 4]?.shift();
          if (line !== undefined) mixed.push(line);
        }
        for (const queue of queues) mixed.push(...queue);
        const result = read(`${mixed.join('\n')}\n`);
        const relabels = eventsOf(result, 'RelabelObserved');
        expect(relabels.map(({ body }) => body.serial).sort()).toEqual([375, 376, 377, 378]);
        for (const { body, witness } of relabels) {
          expect(body.missing_records).toEqual([]);
          expect(witness.toString('latin1')).toBe([chown, ...others][body.serial - 375]?.join('\n'));
        }
      }),
      { seed: 375, numRuns: 100 },
    );
  });

  it('a record that comes after the end is late, and told once', () => {
    const result = read(`${[...chown, chown[2]].join('\n')}\n`);
    expect(eventsOf(result, 'RelabelObserved')).toHaveLength(1);
    expect(result.rejected.map(({ reason }) => reason)).toEqual(['late-record']);
  });

  it('without PROCTITLE an event ends two seconds later in the log, at the same place every time', () => {
    const open = chown.slice(0, 3);
    const later = 'type=LOGIN msg=audit(1795393758.308:376): pid=1';
    const sooner = 'type=LOGIN msg=audit(1795393758.307:376): pid=1';
    const ended = read(`${[...open, later, ...(others[1] as string[])].join('\n')}\n`);
    expect(eventsOf(ended, 'RelabelObserved').map(({ body }) => body.serial)).toEqual([375, 377]);
    const waiting = read(`${[...open, sooner, ...(others[1] as string[])].join('\n')}\n`);
    expect(eventsOf(waiting, 'RelabelObserved').map(({ body }) => body.serial)).toEqual([377, 375]);
  });
});
