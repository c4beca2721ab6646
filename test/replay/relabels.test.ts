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
  it('are those that a second reading would take, on simulated histories; whoever misses one says so', () => {
    let missed = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { events } = simulate(randomPlan(seed));
      const [holder, leaver] = [new Relabels(HELD_BYTES_MAX), new Relabels(0)];
      const calls = events.filter((event) => event.kind === 'RelabelObserved');
      const early = new Set<string>();
      for (const event of events) {
        for (const relabels of [holder, leaver]) {
          relabels.learn(event);
          if (event.kind !== 'RelabelObserved') continue;
          if (relabels.matters(event)) early.add(event.id);
          else relabels.hold(event);
        }
      }
      const { concerned, unconcerned } = holder.takeHeld();
      const taken = [...early, ...concerned.map(({ id }) => id)].sort();
      const takenAgain = calls.filter((event) => leaver.matters(event)).map(({ id }) => id);
      expect(taken, `seed ${seed}`).toEqual(takenAgain.sort());
      expect(unconcerned, `seed ${seed}`).toBe(calls.length - taken.length);
      expect(leaver.mustBeReadAgain, `seed ${seed}`).toBe(concerned.length > 0);
      expect(holder.mustBeReadAgain, `seed ${seed}`).toBe(false);
      if (leaver.mustBeReadAgain) missed++;
      else expect(leaver.takeHeld(), `seed ${seed}`).toEqual({ concerned: [], unconcerned });
    }
    expect(missed).toBeGreaterThan(0);
    expect(missed).toBeLessThan(40);
  });
});
