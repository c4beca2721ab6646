import { describe, expect, it } from 'vitest';
import type { MIGRATIONS } from '../../src/sim/plan.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { GUEST, labPlan } from './plans.js';

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed);

describe('a simulation', () => {
  it('gives the same bytes for the same seed', () => {
    for (const seed of SEEDS.slice(0, 10)) {
      expect(JSON.stringify(simulate(randomPlan(seed)))).toBe(JSON.stringify(simulate(randomPlan(seed))));
    }
  });

  it('gives every event an id of its own', () => {
    for (const seed of SEEDS) {
      const ids = simulate(randomPlan(seed)).events.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it('knows the truth about every relabel of an image that it records', () => {
    for (const seed of SEEDS) {
      const { events, truth } = simulate(randomPlan(seed));
      const recorded = events.filter(({ kind }) => kind === 'RelabelObserved').map(({ id }) => id);
      expect(truth.relabels.map(({ id }) => id).sort()).toEqual(recorded.sort());
    }
  });

  it('counts serials and sequences up on every host between boots', () => {
    for (const seed of SEEDS) {
      const last = new Map<string, number>();
      for (const { event } of simulate(randomPlan(seed)).transcript) {
        const key = `${event.host}/${event.stream}`;
        expect(event.sequence).toBe((last.get(key) ?? -1) + 1);
        last.set(key, event.sequence);
      }
    }
  });

  it('shows over some hundred seeds every cause, every outcome and every reason for doubt', () => {
    const truths = Array.from({ length: 250 }, (_, seed) => simulate(randomPlan(seed)).truth);
    const causes = new Set(truths.flatMap(({ relabels }) => relabels.map(({ cause }) => cause)));
    for (const cause of [
      'destination-cleanup-after-failure',
      'source-cleanup-after-handover',
      'destination-config-mismatch',
      'destination-own-categories',
      'source-restart-after-handover',
      'foreign-program',
      'second-start',
      'postcopy-source-destroyed',
    ]) {
      expect(causes).toContain(cause);
    }
    const doubts = new Set(
      truths.flatMap(({ relabels }) => relabels.flatMap(({ unknowable }) => unknowable)),
    );
    expect([...doubts].sort()).toEqual(
      ['already-wrong', 'asked', 'guest-state', 'image-list', 'mounts', 'need', 'order'].sort(),
    );
  });
});

describe('the truth', () => {
  it('calls no relabel a violation when hosts agree and libvirt knows that the storage is shared', () => {
    const calm = ['ok', 'post-copy', 'aborted-before-switchover', 'prepare-fails-after-labelling'] as const;
    for (const course of calm) {
      const { truth } = simulate(labPlan({}, [{ do: 'migrate', guest: GUEST, course }]));
      expect(truth.relabels.filter(({ violation }) => violation)).toEqual([]);
    }
  });

  it('calls the rollback on known storage, and every clean-up on unknown storage, a violation', () => {
    const causeOf = (storage: 'nfs' | 'p9', course: (typeof MIGRATIONS)[number]) =>
      simulate(labPlan({ storage }, [{ do: 'migrate', guest: GUEST, course }])).truth.relabels.find(
        ({ violation }) => violation,
      );
    const cleanup = { cause: 'destination-cleanup-after-failure', unknowable: [] };
    expect(causeOf('nfs', 'prepare-fails-while-labelling')).toMatchObject(cleanup);
    expect(causeOf('p9', 'prepare-fails-after-labelling')).toMatchObject(cleanup);
    expect(causeOf('p9', 'aborted-before-switchover')).toMatchObject(cleanup);
    expect(causeOf('p9', 'ok')).toMatchObject({ cause: 'source-cleanup-after-handover', unknowable: [] });
  });

  it('moves the owner at the stop of the source when the hand-over comes off, and not at all when it does not', () => {
    const tenures = (course: (typeof MIGRATIONS)[number]) =>
      simulate(labPlan({}, [{ do: 'migrate', guest: GUEST, course }])).truth.tenures.map(({ host }) => host);
    expect(tenures('ok')).toEqual(['hosta', 'hostb']);
    expect(tenures('post-copy-fails')).toEqual(['hosta', 'hostb']);
    expect(tenures('fails-after-switchover')).toEqual(['hosta']);
    expect(tenures('aborted-before-switchover')).toEqual(['hosta']);
  });
});
