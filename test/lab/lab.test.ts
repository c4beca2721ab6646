import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RelabelReport, Report } from '../../src/domain/report.js';
import { readCapture } from '../golden/read-capture.js';
import { type Tree, temporaryDirectory } from '../replay/temporary-directory.js';
import type { Lab } from './lab.js';
import { CALLS } from './stories/calls.js';
import { CAPTURES } from './stories/captures.js';
import { FAILURES } from './stories/failures.js';
import { FOREIGN } from './stories/foreign.js';
import { HOSTS } from './stories/hosts.js';
import { JOBS } from './stories/jobs.js';
import { LOST_RECORDS } from './stories/lost-records.js';
import { MOVES } from './stories/moves.js';
import { NAMES } from './stories/names.js';
import { STORAGES } from './stories/storages.js';
import type { Variant } from './story.js';

/**
 * What happened in the lab and elsewhere and is held as no capture: written as the same machines would have written
 * it, record by record, with the truth beside it. The golden captures show that the forms are real.
 */
const ALL = {
  ...CALLS,
  ...CAPTURES,
  ...FAILURES,
  ...FOREIGN,
  ...HOSTS,
  ...JOBS,
  ...LOST_RECORDS,
  ...MOVES,
  ...NAMES,
  ...STORAGES,
};

/** Time enough for all readings of one scenario on a busy machine. */
const TIMEOUT_MS = 60_000;

for (const [name, make] of Object.entries(ALL)) {
  describe(name, () => {
    it('is told as it was', { timeout: TIMEOUT_MS }, async () => {
      const { lab, causes = [], unproved = 0, untold = 0, doubted = 0, ownerOpen = false } = make();
      const report = await reportOn(lab.capture());
      const told = relabelsOf(report);
      const violations = lab.calls.filter(({ violation }) => violation);
      const proved = violations.filter((call) => told.get(keyOf(call))?.verdict === 'violation');
      expect(soundness(lab, report)).toEqual([]);
      expect(violations.length - proved.length).toBe(unproved);
      // what cannot be proved is told all the same
      expect(violations.filter((call) => !told.has(keyOf(call))).length).toBe(untold);
      for (const call of ownerOpen ? [] : proved)
        expect([keyOf(call), told.get(keyOf(call))?.owner]).toEqual([keyOf(call), call.owner]);
      const inDoubt = lab.calls.filter(
        (call) => !call.violation && told.get(keyOf(call))?.verdict === 'undetermined',
      );
      expect(inDoubt.length).toBe(doubted);
      expect(report.migrations.map(({ from, to, outcome }) => `${from} -> ${to}: ${outcome}`).sort()).toEqual(
        [...lab.migrations].sort(),
      );
      expect(
        report.findings
          .filter(({ verdict }) => verdict === 'violation')
          .map(({ cause }) => cause)
          .sort(),
      ).toEqual([...causes].sort());
    });

    it('is told the same in every form of its logs', { timeout: TIMEOUT_MS }, async () => {
      const { lab, ownerOpen = false } = make();
      const tree = lab.capture();
      const expected = essence(await reportOn(tree));
      expect(essence(await reportOn(mapAudit(tree, 'audit-plugin.log', pluginForm)))).toEqual(expected);
      expect(essence(await reportOn(rotated(tree)))).toEqual(expected);
      // where several orders of hand-overs are possible, the clocks name the hosts
      const { hosts: _, ...sameClocks } = OTHER_FORM;
      const other = make(ownerOpen ? sameClocks : OTHER_FORM);
      expect(essence(await reportOn(other.lab.capture()))).toEqual(expected);
    });

    it('is told or doubted, never told wrongly, with parts taken away', { timeout: TIMEOUT_MS }, async () => {
      const { lab } = make();
      const tree = lab.capture();
      for (const gone of [...PARTS, ...[...lab.hosts.keys()].map((host) => new RegExp(`^${host}/`))]) {
        const left = Object.fromEntries(Object.entries(tree).filter(([path]) => !gone.test(path)));
        if (name in UNKNOWABLE && UNKNOWABLE[name]?.test(gone.source)) continue;
        expect([gone.source, soundness(lab, await reportOn(left))]).toEqual([gone.source, []]);
      }
    });
  });
}

/** Everything at once that must not matter; the server's clock and those of the two hosts are hours apart. */
const OTHER_FORM: Variant = {
  enriched: true,
  node: 'hostx',
  daemon: 'virtqemud',
  hosts: { hostb: { clock_ms: 5 * 3_600_000 }, nfs1: { clock_ms: -26 * 3_600_000 } },
};

const PARTS = [
  /audit\.log$/,
  /virsh-event\.log$/,
  /qemu-monitor-event\.log$/,
  /-event\.log$/,
  /mountinfo$/,
  /domain-.*\.xml$/,
  /qemu\.conf$|capabilities\.xml$|domstate-.*$|libvirtd.*\.log$/,
  /^hosta\/(?:mountinfo|.*-event\.log)$/,
  /^hostb\/(?:audit|.*-event)\.log$/,
];

/** What no record is left of cannot be doubted either: another guest's images that nothing lists any more. */
const UNKNOWABLE: Record<string, RegExp> = {
  'another guest of the other host takes the image': /domain-|\^hosta\\\//,
  'chown -R of the whole pool by a host that runs one of its guests': /^\^hosta\\\/$/,
};

async function reportOn(tree: Tree): Promise<Report> {
  return await readCapture(temporaryDirectory(tree));
}

function keyOf({ host, serial }: { host: string; serial: number }): string {
  return `${host}:${serial}`;
}

function relabelsOf(report: Report): Map<string, RelabelReport> {
  return new Map(report.relabels.map((relabel) => [keyOf(relabel), relabel]));
}

/** Accusations and acquittals that are wrong. */
function soundness(lab: Lab, report: Report): string[] {
  const told = relabelsOf(report);
  return lab.calls.flatMap((call) => {
    const relabel = told.get(keyOf(call));
    const isWrong = relabel !== undefined && relabel.verdict === (call.violation ? 'clean' : 'violation');
    return isWrong ? [`${keyOf(call)} ${relabel.verdict} (${relabel.reason})`] : [];
  });
}

/** What must not depend on the form of the logs. */
function essence(report: Report): unknown {
  return {
    relabels: report.relabels.map(({ host, serial, verdict, reason, owner, effect, proof }) => [
      host,
      serial,
      verdict,
      reason,
      owner,
      effect,
      proof,
    ]),
    migrations: report.migrations.map(({ from, to, outcome }) => `${from} ${to} ${outcome}`).sort(),
    findings: report.findings
      .map(({ cause, verdict, host, owner, state, severity }) =>
        [cause, verdict, host, owner, state, severity].join(' '),
      )
      .sort(),
  };
}

function mapAudit(tree: Record<string, string>, name: string, form: (text: string) => string): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([path, text]) =>
      path.endsWith('/audit.log') ? [path.replace('audit.log', name), form(text)] : [path, text],
    ),
  );
}

/** The plugin's stream ends every event of several records with a record of its own. */
function pluginForm(text: string): string {
  const lines = text.split('\n').slice(0, -1);
  const idOf = (line: string | undefined) => /msg=audit\(([^)]*)\)/.exec(line ?? '')?.[1];
  return lines
    .flatMap((line, index) => {
      const isLast = idOf(lines[index + 1]) !== idOf(line);
      const node = /^node=\S+ /.exec(line)?.[0] ?? '';
      return isLast && /type=(?:SYSCALL|CWD|PATH|PROCTITLE|AVC) /.test(line)
        ? [line, `${node}type=EOE msg=audit(${idOf(line)}): `]
        : [line];
    })
    .map((line) => `${line}\n`)
    .join('');
}

/** Cut without regard to events, the oldest part packed. */
function rotated(tree: Record<string, string>): Tree {
  const parts: Tree = {};
  for (const [path, text] of Object.entries(tree)) {
    if (!path.endsWith('/audit.log')) {
      parts[path] = text;
      continue;
    }
    const lines = text.split(/(?<=\n)/);
    const [first, second] = [Math.floor(lines.length / 3), Math.floor((lines.length * 2) / 3)];
    parts[`${path}.2.gz`] = gzipSync(lines.slice(0, first).join(''));
    parts[`${path}.1`] = lines.slice(first, second).join('');
    parts[path] = lines.slice(second).join('');
  }
  return parts;
}
