import { describe, expect, it } from 'vitest';
import {
  delay,
  dropStream,
  duplicate,
  removeAndMarkGap,
  shiftClock,
  shuffle,
  splitAndImportAgain,
} from '../../src/sim/disturb.js';
import { Random } from '../../src/sim/random.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';

const { events } = simulate(randomPlan(11, { complete: true }));
const idsOf = (list: readonly { id: string }[]) => [...new Set(list.map(({ id }) => id))].sort();

describe('disturbing events', () => {
  it('keeps the set of events when it shuffles, duplicates, delays or imports again', () => {
    for (const disturb of [shuffle, duplicate, delay, splitAndImportAgain]) {
      const disturbed = disturb(events, new Random(5));
      expect(disturbed).not.toEqual(events);
      expect(idsOf(disturbed)).toEqual(idsOf(events));
    }
  });

  it('moves stamps, witnesses and ids of one host together, and back again', () => {
    const host = events.find(({ stream }) => stream === 'virsh-event')?.host as string;
    const by_us = 86_399_999_000;
    const moved = shiftClock(events, host, by_us);
    for (const [index, event] of moved.entries()) {
      const former = events[index];
      expect(event.at - (former?.at ?? 0)).toBe(event.host === host ? by_us : 0);
      const stamp = /msg=audit\((\d+)\.(\d+):/.exec(event.witness.toString());
      if (stamp) expect(Number(stamp[1]) * 1000 + Number(stamp[2])).toBe(event.at / 1000);
      if (stamp) expect(event.id).toContain(`/${event.at / 1000}:`);
    }
    const lines = (list: typeof events) =>
      list
        .filter(({ witness }) => witness.length > 0)
        .map(({ id, witness }) => [id, witness.toString('latin1')]);
    expect(lines(shiftClock(moved, host, -by_us))).toEqual(lines(events));
  });

  it('marks a gap that spans exactly what it removes', () => {
    const stream = events.filter((event) => event.stream === 'audit');
    const host = stream[0]?.host;
    const lost = stream
      .filter((event) => event.host === host)
      .sort((a, b) => a.sequence - b.sequence)
      .slice(2, 5);
    const left = removeAndMarkGap(events, (event) => lost.includes(event));
    const gaps = left.filter((event) => event.kind === 'GapDetected' && !events.includes(event));
    expect(gaps).toHaveLength(1);
    expect(gaps[0]?.body).toMatchObject({
      of_stream: 'audit',
      from: lost[0]?.at,
      to: lost.at(-1)?.at,
      lost: 3,
    });
    expect(idsOf(left.filter((event) => !gaps.includes(event)))).toEqual(
      idsOf(events.filter((event) => !lost.includes(event))),
    );
  });

  it('leaves one gap without ends for a stream that was never collected', () => {
    const host = events.find(({ stream }) => stream === 'virsh-event')?.host as string;
    const left = dropStream(events, host, 'virsh-event');
    expect(left.filter((event) => event.host === host && event.stream === 'virsh-event')).toEqual([]);
    expect(left.at(-1)).toMatchObject({
      kind: 'GapDetected',
      body: { of_stream: 'virsh-event', from: null, to: null },
    });
  });
});
