import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { auditFileSource } from '../../../src/collect/tail/log-source.js';
import type { Event } from '../../../src/events/event.js';
import { replay } from '../../../src/replay/replay.js';
import { temporaryDirectory } from '../../replay/temporary-directory.js';
import { clock, eventLog, eventsIn, eventually, PACE, PLACE, startCollecting } from '../collecting.js';

const CAPTURES = new URL('../../golden/captures/', import.meta.url).pathname;

async function replayed(
  path: string,
  role: 'audit' | 'guest-log' | 'daemon-log' = 'audit',
): Promise<Event[]> {
  const events: Event[] = [];
  await replay(
    {
      hosts: [
        {
          host: 'hosta',
          streams: [{ role, files: [path] }],
          snapshots: [],
          times: { before: null, after: null },
        },
      ],
      ignored: [],
    },
    { cluster: 'lab', onEvents: async (some) => void events.push(...some) },
  );
  return events;
}

describe('the audit log as a source', () => {
  it('gives the events that a replay gives', async () => {
    const path = join(CAPTURES, 'bounce-restart/hostb/audit.log');
    const directory = temporaryDirectory({ 'audit.log': readFileSync(path) });
    const log = eventLog();
    const source = auditFileSource({
      name: 'audit',
      path: join(directory, 'audit.log'),
      from: 'beginning',
      place: PLACE,
      clock,
      pace: PACE,
    });
    const collecting = startCollecting([source], log);
    await eventually(() => (source.watermark_us() ?? 0) > Date.now() * 1000 - 10_000_000);
    await collecting.stop();
    const wanted = (await replayed(path)).filter(({ stream }) => stream === 'audit').map(({ id }) => id);
    const got = (await eventsIn(log)).filter(({ stream }) => stream === 'audit').map(({ id }) => id);
    expect(wanted.length).toBeGreaterThan(20);
    expect(got.sort()).toEqual([...new Set(wanted)].sort());
  });
});
