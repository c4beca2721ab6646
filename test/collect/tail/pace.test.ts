import { appendFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Pace } from '../../../src/collect/tail/pace.js';
import { temporaryDirectory } from '../../replay/temporary-directory.js';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

/** Waits with it until what is looked at rests and is watched. */
async function resting(pace: Pace): Promise<void> {
  while (!(await pace.idle(never)));
}

function paceIn(directory: string, watched_ms_max: number): Pace {
  return new Pace({ poll_ms_min: 1, poll_ms_max: 4, watched_ms_max }, directory);
}

describe('the pace of looks at a log', () => {
  it.each([
    ['is written to', (path: string) => appendFileSync(path, 'more')],
    ['is renamed', (path: string) => renameSync(path, `${path}.1`)],
    ['is removed', (path: string) => rmSync(path)],
    ['gets a neighbour', (path: string) => writeFileSync(`${path}.other`, '')],
  ])('does not wait for the next look when one that rests %s', async (_what, change) => {
    const directory = temporaryDirectory({ 'audit.log': 'line' });
    const pace = paceIn(directory, HOUR_MS);
    await resting(pace);
    const looking = pace.idle(never);
    change(join(directory, 'audit.log'));
    expect(await looking).toBe(true);
    pace.close();
  });

  it('takes what happened since it was watched for a change, although nobody waited then', async () => {
    const directory = temporaryDirectory({ 'audit.log': 'line' });
    const pace = paceIn(directory, HOUR_MS);
    await resting(pace);
    appendFileSync(join(directory, 'audit.log'), 'more');
    await new Promise(setImmediate);
    expect(await pace.idle(never)).toBe(true);
    pace.close();
  });

  it('looks all the same when nothing is told', async () => {
    const directory = temporaryDirectory({ 'a/audit.log': 'line', 'b/audit.log': 'line' });
    const current = join(directory, 'current');
    symlinkSync(join(directory, 'a'), current);
    const pace = paceIn(current, 5);
    await resting(pace);
    rmSync(current);
    symlinkSync(join(directory, 'b'), current);
    expect(await pace.idle(never)).toBe(false);
    pace.close();
  });

  it('looks again and again at what is not there', async () => {
    const pace = paceIn(join(temporaryDirectory({}), 'missing'), HOUR_MS);
    for (let looks = 0; looks < 8; looks++) expect(await pace.idle(never)).toBe(false);
  });

  it('ends at once when nobody looks any more', async () => {
    const pace = paceIn(temporaryDirectory({ 'audit.log': 'line' }), HOUR_MS);
    await resting(pace);
    const stop = new AbortController();
    const looking = pace.idle(stop.signal);
    stop.abort();
    expect(await looking).toBe(false);
    pace.close();
  });
});
