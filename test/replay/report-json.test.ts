import { describe, expect, it } from 'vitest';
import { byteTextFrom } from '../../src/domain/byte-text.js';
import { jsonLines, ndjsonLines, reportJson } from '../../src/replay/report-json.js';
import { reportSchema } from '../../src/replay/report-schema.js';
import { emptyReport, entry, incident } from '../commands/fixtures.js';

describe('reportJson', () => {
  it('has the keys of the contract', () => {
    const json = reportJson(incident());
    expect(Object.keys(json)).toEqual(['hosts', 'migrations', 'relabels', 'findings', 'timeline']);
    expect(Object.keys(json.hosts[0] ?? {})).toEqual(['host', 'events', 'first', 'last', 'gaps']);
    expect(json.migrations[0]).toMatchObject({ began: expect.any(String), ended: expect.any(String) });
    expect(json.relabels[0]).toMatchObject({ at: '2026-11-23T01:11:47.345000Z', serial: 1001 });
    expect(json.findings[0]).toMatchObject({ opened: expect.any(String), resolved: null, exposure_ms: null });
    expect(json.timeline[0]).toMatchObject({ at: expect.any(String), witness: [expect.any(String)] });
  });

  it('fits its schema, and the schema states every key', () => {
    const json = reportJson(incident());
    expect(reportSchema.parse(json)).toEqual(json);
  });
});

describe('jsonLines', () => {
  it('is one JSON document with one item a line', () => {
    const report = incident();
    const text = [...jsonLines(report)].join('');
    expect(JSON.parse(text)).toEqual(reportJson(report));
    expect(text.split('\n').filter((line) => line.startsWith('  {'))).toHaveLength(
      report.hosts.length + 1 + 1 + 1 + report.timeline.length,
    );
  });

  it('is valid with nothing in it', () => {
    expect(JSON.parse([...jsonLines(emptyReport())].join(''))).toEqual(emptyReport());
  });

  it('escapes what a terminal would obey, and loses nothing by it', () => {
    const hostile = '\x1b[2J\x9b31m\u202eabc\u2028\u{e0041}\x7f';
    const text = [...jsonLines({ ...emptyReport(), timeline: [entry('hosta', 1, hostile)] })].join('');
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]|\udb40/);
    expect(JSON.parse(text).timeline[0].text).toBe(hostile);
  });

  it('keeps bytes that are not UTF-8', () => {
    const name = byteTextFrom(Buffer.from([0x61, 0xff, 0x62]));
    const text = [...jsonLines({ ...emptyReport(), timeline: [entry('hosta', 1, name)] })].join('');
    expect(text).toContain('a\\udcffb');
    expect(JSON.parse(text).timeline[0].text).toBe(name);
  });
});

describe('ndjsonLines', () => {
  it('gives one typed object a line', () => {
    const types = [...ndjsonLines(incident())].map((line) => JSON.parse(line).type);
    expect([...new Set(types)]).toEqual(['host', 'migration', 'relabel', 'finding', 'timeline']);
  });
});
