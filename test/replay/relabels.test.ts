import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/events/event.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { HELD_BYTES_MAX, Relabels } from '../../src/replay/relabels.js';
import { type ReplayOptions, replay } from '../../src/replay/replay.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';

const CAPTURES = new URL('../golden/captures/', import.meta.url).pathname;

describe('relabels that are read again because they are too many to hold', () => {
  for (const capture of readdirSync(CAPTURES)) {
    it(`give the same report and the same notes on ${capture}`, async () => {
      const sources = await sourcesOfCapture(join(CAPTURES, capture));
      const options: ReplayOptions = { cluster: 'test' };
      const once = await replay(sources, options);
      const twice = await replay(sources, { ...options, relabelsHeld_bytes_max: 0 });
      expect(JSON.stringify(twice)).toBe(JSON.stringify(once));
    });
  }

  it('are handed to a store once', async () => {
    const sources = await sourcesOfCapture(join(CAPTURES, 's4-mismatch-fail'));
    const counted = async (relabelsHeld_bytes_max: number) => {
      let count = 0;
      const onEvents = async (events: Event[]) => {
        count += events.filter(({ kind }) => kind === 'RelabelObserved').length;
      };
      await replay(sources, { cluster: 'test', relabelsHeld_bytes_max, onEvents });
      return count;
    };
    expect(await counted(0)).toBe(await counted(HELD_BYTES_MAX));
  });
});

describe('relabels that are held', () => {
  it('are the same as those that would be taken from a second reading, on simulated histories', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { events } = simulate(randomPlan(seed));
      const [held, again] = [new Relabels(HELD_BYTES_MAX), new Relabels(0)];
      for (const event of events) {
        for (const relabels of [held, again]) {
          relabels.learn(event);
          if (event.kind === 'RelabelObserved') relabels.hold(event);
        }
      }
      const calls = events.filter((event) => event.kind === 'RelabelObserved');
      expect(again.isOverflown).toBe(calls.length > 0);
      const takenAgain = calls.filter((event) => again.concerns(event)).map(({ id }) => id);
      expect([...held.concerned()].map(({ id }) => id)).toEqual(takenAgain);
      expect(held.unconcerned).toBe(again.unconcerned);
    }
  });
});
