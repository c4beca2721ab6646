import { describe, expect, it } from 'vitest';
import { width } from '../../../src/commands/text/columns.js';
import { reportPage } from '../../../src/commands/text/report-page.js';
import { styleFor } from '../../../src/commands/text/style.js';
import { byteTextFrom } from '../../../src/domain/byte-text.js';
import type { Report } from '../../../src/domain/report.js';
import { atSecond, emptyReport, entry, finding, IMAGE, incident, relabel } from '../fixtures.js';

interface Look {
  columns?: number;
  full?: boolean;
  isTerminal?: boolean;
  env?: Record<string, string>;
}

function pageOf(
  report: Report,
  { columns = 80, full = false, isTerminal = false, env = {} }: Look = {},
): string {
  const style = styleFor({ out: { write: () => {}, isTerminal, columns }, env });
  return [...reportPage({ style, columns, full }, report, null)].join('');
}

describe('a finding', () => {
  const text = pageOf(incident());

  it('begins with what happened, then what to run on which host', () => {
    const lines = text.split('\n');
    expect(lines[0]).toBe('VIOLATION  hostb gave the disk of vm1 to 0:0 while the guest ran on hosta');
    const run = lines.indexOf('RUN NOW');
    expect(lines.slice(run + 1, run + 3)).toEqual(['  on hosta:', `    chown 64055:64055 ${IMAGE}`]);
    expect(run).toBeLessThan(lines.findIndex((line) => line.startsWith('WHAT HAPPENED')));
  });

  it('tells the proof, the serial and the raw record', () => {
    expect(text).toContain('Proved by P1-failed-incoming');
    expect(text).toContain('audit serial 1001');
    expect(text).toContain('type=SYSCALL msg=audit(1795396307.345:1001)');
  });

  it('says that clocks of hosts do not compare', () => {
    expect(text).toContain('each host by its own clock');
  });

  it('shows known gaps', () => {
    expect(text).toContain('audit-lost: the kernel dropped 12 audit records');
  });

  it.each([60, 80, 120, 160, 200])('keeps within %d columns, but for commands', (columns) => {
    const wide = pageOf(incident(), { columns })
      .split('\n')
      .filter((line) => width(line) > columns && !line.includes('chown 64055'));
    expect(wide).toEqual([]);
  });

  it('never breaks a command, however narrow the terminal is', () => {
    expect(pageOf(incident(), { columns: 40 })).toContain(`\n    chown 64055:64055 ${IMAGE}\n`);
  });

  it('is no accusation when its verdict is undetermined', () => {
    const report = incident();
    report.findings = [
      finding({
        verdict: 'undetermined',
        proof: [],
        missing: [{ what: 'audit-records', host: 'hosta', text: 'the records of hosta would settle it' }],
        remedy: { commands: [], prevention: 'none' },
      }),
    ];
    const suspicion = pageOf(report);
    expect(suspicion).toMatch(/^SUSPECTED/);
    expect(suspicion).not.toContain('VIOLATION');
    expect(suspicion).toMatch(/no\s+accusation/);
    expect(suspicion).toContain('Missing: audit-records of hosta');
  });
});

describe('several findings', () => {
  it('are listed before the first is told', () => {
    const report = incident();
    report.findings.push(
      finding({ id: 'f-second', verdict: 'clean', summary: 'hosta does not know the storage' }),
    );
    const text = pageOf(report);
    expect(text).toMatch(/^2 findings: 1 violation, 1 notice\n/);
    expect(text.indexOf('f-second')).toBeLessThan(text.indexOf('RUN NOW'));
    expect(text).toContain(' 2 of 2 ');
  });
});

describe('the timeline', () => {
  it('has a lane for each host', () => {
    const lines = pageOf(incident()).split('\n');
    const header = lines.find((line) => line.includes('2026-11-23 ')) ?? '';
    const chown = lines.find((line) => line.includes('✗ chown')) ?? '';
    const error = lines.find((line) => line.includes('! vm1: write error')) ?? '';
    expect(chown.indexOf('✗')).toBe(header.indexOf('hostb'));
    expect(error.indexOf('!')).toBe(header.indexOf('hosta'));
    expect(chown.indexOf('│')).toBe(header.indexOf('hosta'));
  });

  it('names the host before the text where lanes would be too narrow', () => {
    const report = incident();
    for (const host of ['hostc', 'hostd', 'hoste']) report.timeline.push(entry(host, 9, 'something'));
    expect(pageOf(report)).toContain('• hostc: something');
    expect(pageOf(report, { columns: 160 })).not.toContain('hostc: something');
  });

  it('shows a lane for the owner even when it recorded nothing', () => {
    const report = incident();
    report.timeline = report.timeline.filter(({ host }) => host === 'hostb');
    expect(pageOf(report)).toMatch(/2026-11-23 +hosta +hostb/);
  });

  it('shows what repeats once, with its count', () => {
    const text = pageOf(incident(), { columns: 160 });
    expect(text.match(/write error on virtio-disk0/g)).toHaveLength(1);
    expect(text).toMatch(/\(3 times within\b/);
  });

  it('keeps the order of the report, whatever the clocks say', () => {
    const report = incident();
    report.timeline = [entry('hostb', 9, 'first'), entry('hosta', 5, 'second')];
    const text = pageOf(report);
    expect(text.indexOf('first')).toBeLessThan(text.indexOf('second'));
  });

  it('is shortened around the relabels, and says by how much', () => {
    const report = incident();
    const noise = (from: number) =>
      Array.from({ length: 100 }, (_, i) => entry('hosta', from + i / 100, `noise ${i}`));
    report.timeline = [...noise(0), ...report.timeline, ...noise(20)];
    const text = pageOf(report);
    expect(text).toContain('82 earlier not shown; --full shows all');
    expect(text).toContain('later not shown');
    expect(pageOf(report, { full: true })).not.toContain('not shown');
  });

  it('marks a change of date', () => {
    const report = incident();
    report.timeline.push(entry('hosta', 86_400, 'the next day'));
    expect(pageOf(report)).toContain('\n  2026-11-24\n');
  });
});

describe('nothing found', () => {
  it('says what was looked at and what could not be seen', () => {
    const report = { ...incident(), findings: [] };
    report.relabels = [relabel({ verdict: 'clean', reason: 'asked-equals-needed' })];
    const text = pageOf(report);
    expect(text).toMatch(
      /^NOTHING FOUND\n {2}1 relabel of files of guests was judged, and none hurt a running guest\./,
    );
    expect(text).toContain('42 events from 2026-11-23 01:11:40.000 to 01:12:08.000 UTC');
    expect(text).toContain('1 × asked-equals-needed');
    expect(text).toContain('WHAT COULD NOT BE SEEN\n  hostb     audit-lost');
  });

  it('does not pass off an open question as a good answer', () => {
    const report = { ...incident(), findings: [] };
    report.relabels = [relabel({ verdict: 'undetermined', reason: 'owner-unknown' })];
    expect(pageOf(report)).toContain('of 1 the records do not tell');
  });

  it('says so when there is nothing at all', () => {
    expect(pageOf(emptyReport())).toContain('there was none to judge');
  });

  it('points out that the peers are missing', () => {
    const report = { ...emptyReport(), hosts: incident().hosts.slice(0, 1) };
    expect(pageOf(report)).toContain('only one host was read');
  });
});

describe('text from logs', () => {
  const hostile = byteTextFrom(
    Buffer.concat([
      Buffer.from('\x1b[2J\x1b]0;pwned\x07\u202e\u2066gpj.exe\n\r\t\x9b31m\u200b\u{e0041}'),
      Buffer.from([0xff, 0x9b]),
    ]),
  );

  it('reaches the terminal as text and nothing else', () => {
    const guest = { uuid: null, name: hostile };
    const report: Report = {
      hosts: [
        {
          host: hostile,
          events: 1,
          first_us: atSecond(0),
          last_us: atSecond(1),
          gaps: [{ stream: 'audit', kind: 'audit-lost', from_us: null, to_us: null, lost: 1, text: hostile }],
        },
      ],
      migrations: [{ ...incident().migrations[0]!, guest, from: hostile, to: hostile, text: hostile }],
      relabels: [
        relabel({
          host: hostile,
          guest,
          image: { path: hostile, storage: hostile, inode: '1' },
          actor: { exe: hostile, comm: hostile, pid: 1, auid: 0 },
        }),
      ],
      findings: [
        finding({
          guest,
          host: hostile,
          owner: hostile,
          images: [{ path: hostile, storage: null, inode: null }],
          summary: hostile,
          explanation: hostile,
          impact: { ...finding().impact, text: hostile },
          remedy: { commands: [{ host: hostile, command: `chown 0 ${hostile}` }], prevention: hostile },
          missing: [{ what: 'peer-host', host: hostile, text: hostile }],
        }),
      ],
      timeline: [entry(hostile, 1, hostile, { guest, event: relabel().id, witness: [hostile] })],
    };
    for (const full of [false, true]) {
      const text = pageOf(report, { full });
      expect(text).not.toMatch(
        /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udb3f\udb41-\udfff]/,
      );
      expect(text).toContain('\\x1b[2J');
    }
  });

  it('is cut in the middle when it is long, and shown whole with --full', () => {
    const report = incident();
    const name = `/images/${'x'.repeat(4096)}/end`;
    report.findings = [finding({ images: [{ path: name, storage: null, inode: null }] })];
    report.relabels = [relabel({ image: { path: name, storage: null, inode: null } })];
    report.timeline = [
      entry('hostb', 1, `chown ${name}`, { event: relabel().id, witness: [`name="${name}"`] }),
    ];
    const text = pageOf(report);
    expect(text.length).toBeLessThan(8000);
    expect(text).toContain('…');
    expect(pageOf(report, { full: true }).replaceAll(/\s/g, '')).toContain(name);
  });
});

describe('colours', () => {
  it('are there on a terminal and nowhere else', () => {
    expect(pageOf(incident())).not.toContain('\x1b');
    expect(pageOf(incident(), { isTerminal: true })).toContain('\x1b[31m');
    expect(pageOf(incident(), { isTerminal: true, env: { NO_COLOR: '1' } })).not.toContain('\x1b');
    expect(pageOf(incident(), { isTerminal: true, env: { TERM: 'dumb' } })).not.toContain('\x1b');
  });

  it('change nothing but the colour', () => {
    const coloured = pageOf(incident(), { isTerminal: true });
    expect(coloured.replaceAll(/\x1b\[\d+m/g, '')).toBe(pageOf(incident()));
  });
});
