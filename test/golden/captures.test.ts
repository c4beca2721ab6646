import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/domain/report.js';
import { readCapture } from './read-capture.js';

/**
 * Real migrations of a lab, with what really happened beside them: truth.json comes from the monitors, the audit
 * logs and a poll on the file server, and no code of this project had a part in it.
 *
 * `npm run golden:update` rewrites the expected reports; the comparison with the truth cannot be updated away.
 */
const CAPTURES = new URL('captures/', import.meta.url).pathname;
const EXPECTED = new URL('expected/', import.meta.url).pathname;

interface TruthRelabel {
  host: string;
  serial: number | string;
  violation: boolean;
  owner_then: string;
  path_raw: string;
}

interface Truth {
  relabels: TruthRelabel[];
  migrations: { from: string; to: string; outcome: string }[];
  guest_io_errors: { host: string; source: string }[];
}

for (const name of readdirSync(CAPTURES).sort()) {
  describe(name, async () => {
    const truth = JSON.parse(readFileSync(`${CAPTURES}${name}/truth.json`, 'utf8')) as Truth;
    const report = await readCapture(`${CAPTURES}${name}`);

    it('flags the violating calls and no others', () => {
      const violating = truth.relabels.filter((relabel) => relabel.violation).map(callOf);
      expect(report.relabels.filter((r) => r.verdict === 'violation').map(callOf).sort()).toEqual(violating.sort());
    });

    it('leaves no call undetermined, for the record is whole', () => {
      expect(report.relabels.filter((relabel) => relabel.verdict === 'undetermined').map(callOf)).toEqual([]);
    });

    it('finds every migration with its hosts and its outcome', () => {
      const expected = truth.migrations.map(
        ({ from, to, outcome }) => `${from} -> ${to}: ${outcome === 'success' ? 'succeeded' : outcome}`,
      );
      expect(report.migrations.map(({ from, to, outcome }) => `${from} -> ${to}: ${outcome}`).sort()).toEqual(expected.sort());
    });

    it('names the owner at every relabel', () => {
      const owners = new Map(report.relabels.map((relabel) => [callOf(relabel), relabel.owner ?? 'none']));
      for (const relabel of truth.relabels) {
        // several guests on one file have several owners; the report names the one that matters
        if (relabel.owner_then.includes(':') || !owners.has(callOf(relabel))) continue;
        expect([callOf(relabel), owners.get(callOf(relabel))]).toEqual([callOf(relabel), relabel.owner_then]);
      }
    });

    it('attributes every refused I/O of the guest', () => {
      const monitored = truth.guest_io_errors.filter((error) => error.source.startsWith('M:'));
      const counted = report.findings.map((finding) => finding.impact.io_errors);
      expect(Math.max(0, ...counted)).toBe(monitored.length);
    });

    it('reports what it reported before', () => {
      const path = `${EXPECTED}${name}.json`;
      const text = `${JSON.stringify(essence(report), null, 2)}\n`;
      if (process.env['GOLDEN_UPDATE'] === '1' || !existsSync(path)) {
        if (process.env['CI']) expect.unreachable(`${path} is missing`);
        mkdirSync(EXPECTED, { recursive: true });
        writeFileSync(path, text);
      }
      expect(text).toBe(readFileSync(path, 'utf8'));
    });
  });
}

function callOf(relabel: { host: string; serial: number | string }): string {
  return `${relabel.host}:${relabel.serial}`;
}

/** What a reader of the report relies on; witness lines and the like are the input again. */
function essence(report: Report): unknown {
  return {
    migrations: report.migrations,
    relabels: report.relabels.map(({ id: _, actor: __, ...relabel }) => relabel),
    findings: report.findings,
    gaps: report.hosts.flatMap(({ host, gaps }) => gaps.map((gap) => ({ host, ...gap }))),
    timeline: report.timeline.map(({ host, kind, text }) => `${host} ${kind} ${text}`),
  };
}
