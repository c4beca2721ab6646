import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/events/event.js';
import type { Conclusion } from '../../src/events/topic-records.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { replay } from '../../src/replay/replay.js';
import { sampleEvent } from '../events/sample-events.js';
import { Partition } from './support.js';

/** The incident of the golden capture s4-mismatch-fail: hostb's call, hosta's guest. */
const CAPTURE = new URL('../golden/captures/s4-mismatch-fail', import.meta.url).pathname;

async function incident(): Promise<Event[]> {
  const events: Event[] = [];
  await replay(await sourcesOfCapture(CAPTURE), {
    cluster: 'lab',
    onEvents: async (some) => {
      events.push(...some);
    },
  });
  return events.filter(({ kind }) => kind !== 'Heartbeat');
}

function heartbeat(host: string, at: number): Event {
  const body = {
    streams: [{ stream: 'audit' as const, at }],
    clock_offset_us: null,
    clock_uncertainty_us: null,
  };
  return { ...sampleEvent('Heartbeat', { host, at, id: `${host}/${at}` }), body } as Event;
}

const findingIn = (said: Iterable<Conclusion>) =>
  [...said].filter(({ table, item }) => table === 'findings' && item.includes('"violation"')).at(-1);

describe('a finding', () => {
  it('is provisional, and says for whom it waits, until every host has passed it', async () => {
    const events = await incident();
    const end_us = Math.max(...events.filter(({ stream }) => stream === 'audit').map(({ at }) => at));
    const late_us = end_us + 120_000_000;
    const partition = new Partition();
    await partition.restart();
    const first = findingIn(await partition.take(events));
    expect(first).toMatchObject({ revision: 1, confirmed: false, waits_for: ['hosta', 'hostb'] });
    expect(await partition.metrics.text()).toMatch(/provisional_verdicts\{host="hosta"\} [1-9]/);

    await partition.restart();
    const second = findingIn(await partition.take([heartbeat('hostb', late_us)]));
    expect(second).toMatchObject({ revision: 1, version: 2, confirmed: false, waits_for: ['hosta'] });
    // no new event is needed for the rest, and nothing is said before the host has spoken
    expect(await partition.takeBytes([])).toEqual([]);
    const third = findingIn(await partition.take([heartbeat('hosta', late_us)]));
    expect(third).toMatchObject({ revision: 1, version: 3, confirmed: true, waits_for: [] });
    expect(third?.item).toEqual(first?.item);
    expect(await partition.metrics.text()).not.toMatch(/provisional_verdicts\{/);
  });

  it('that was confirmed is revised by a late event, and final at once', async () => {
    const events = await incident();
    // the guest's I/O errors, among others
    const isLate = ({ stream, host }: Event) => stream === 'qemu-monitor-event' && host === 'hosta';
    const partition = new Partition();
    await partition.restart();
    await partition.take(events.filter((event) => !isLate(event)));
    const far_us = 4_000_000_000_000_000;
    await partition.take(['hosta', 'hostb', 'nfs1'].map((host) => heartbeat(host, far_us)));
    const before = [...partition.said().values()].filter(({ table }) => table === 'findings');
    expect(before.some(({ confirmed }) => confirmed === true)).toBe(true);
    await partition.take(events.filter(isLate));
    const after = [...partition.said().values()].filter(({ table }) => table === 'findings');
    const changed = after.filter(({ id, revision }) => {
      const former = before.find((each) => each.id === id);
      return former !== undefined && revision > former.revision;
    });
    expect(changed.length).toBeGreaterThan(0);
    for (const { confirmed } of changed) expect(confirmed).toBe(true);
  });
});
