import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/domain/report.js';
import { readCapture } from './read-capture.js';
import { captureWithout, REMOVALS } from './removals.js';

/**
 * Every capture again with parts taken away. What is left must never accuse a legitimate call and never acquit a
 * violating one; how much of the 18 violations of all captures is still proved, doubted or no longer seen stands in
 * the table, and changes only on purpose.
 *
 * `undetermined` counts violating calls that are listed as such; `unseen` those whose own record was taken away.
 */
const TABLE: Record<keyof typeof REMOVALS, { proved: number; undetermined: number; unseen: number }> = {
  'audit logs only': { proved: 2, undetermined: 12, unseen: 4 },
  'no audit logs': { proved: 0, undetermined: 0, unseen: 18 },
  'no virsh events': { proved: 18, undetermined: 0, unseen: 0 },
  'no monitor events': { proved: 18, undetermined: 0, unseen: 0 },
  'no libvirt events': { proved: 16, undetermined: 2, unseen: 0 },
  'no daemon or guest logs': { proved: 18, undetermined: 0, unseen: 0 },
  'no domstate': { proved: 18, undetermined: 0, unseen: 0 },
  'no domain XML': { proved: 18, undetermined: 0, unseen: 0 },
  'no mountinfo': { proved: 0, undetermined: 18, unseen: 0 },
  'no qemu.conf': { proved: 18, undetermined: 0, unseen: 0 },
  'no capabilities, no qemu.conf, no ids': { proved: 18, undetermined: 0, unseen: 0 },
  'no snapshots at all': { proved: 0, undetermined: 18, unseen: 0 },
  'only the source': { proved: 0, undetermined: 1, unseen: 17 },
  'only the destination': { proved: 0, undetermined: 13, unseen: 5 },
  'no file server': { proved: 18, undetermined: 0, unseen: 0 },
  'first half missing': { proved: 13, undetermined: 5, unseen: 0 },
  'last third missing': { proved: 0, undetermined: 0, unseen: 18 },
  'middle third of every audit log missing': { proved: 17, undetermined: 1, unseen: 0 },
  'middle third of every virsh log missing': { proved: 18, undetermined: 0, unseen: 0 },
  'middle third of every monitor log missing': { proved: 18, undetermined: 0, unseen: 0 },
  'one collector restarted': { proved: 18, undetermined: 0, unseen: 0 },
};

const CAPTURES = new URL('captures/', import.meta.url).pathname;

interface Truth {
  relabels: { host: string; serial: number | string; violation: boolean }[];
  migrations: { from: string; to: string }[];
}

describe('captures with parts taken away', () => {
  it.each(Object.keys(TABLE))('%s', async (removal) => {
    const sums = { proved: 0, undetermined: 0, unseen: 0 };
    const wrong: string[] = [];
    for (const name of readdirSync(CAPTURES).sort()) {
      const truth = JSON.parse(readFileSync(`${CAPTURES}${name}/truth.json`, 'utf8')) as Truth;
      const hosts = truth.migrations[0] ?? { from: 'hosta', to: 'hostb' };
      const report = await reportWithout(`${CAPTURES}${name}`, removal, hosts);
      const verdicts = new Map(report.relabels.map((relabel) => [`${relabel.host}:${relabel.serial}`, relabel]));
      for (const { host, serial, violation } of truth.relabels) {
        const told = verdicts.get(`${host}:${serial}`);
        if (violation && told?.verdict === 'violation') sums.proved++;
        else if (violation && told?.verdict === 'undetermined') {
          sums.undetermined++;
          if (told.missing.length === 0) wrong.push(`${name} ${host}:${serial} does not say what is missing`);
        } else if (violation && told === undefined) sums.unseen++;
        else if (violation !== (told?.verdict === 'violation') && told?.verdict !== 'undetermined' && told) {
          wrong.push(`${name} ${host}:${serial} ${told.verdict} (${told.reason}; ${told.proof})`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(sums).toEqual(TABLE[removal]);
  });
});

async function reportWithout(
  capture: string,
  removal: string,
  hosts: { from: string; to: string },
): Promise<Pick<Report, 'relabels'>> {
  const directory = captureWithout(capture, removal, hosts);
  try {
    return await readCapture(directory);
  } catch (error) {
    // nothing is left of some captures: no file server alone is a host with logs
    if ((error as { code?: string }).code === 'MA_NOT_A_CAPTURE') return { relabels: [] };
    throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
