import { describe, expect, it } from 'vitest';
import { createState, decide, evolve } from '../../src/correlate/correlate.js';
import { ImageInterest } from '../../src/correlate/interest.js';
import type { Event } from '../../src/events/event.js';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';

/** Half of the histories are always the same; the others begin at a number of chance that every failure names. */
const RANDOM_FROM = Math.floor(Math.random() * 1e9);
const SEEDS = [...Array(30).keys()].flatMap((index) => [index, RANDOM_FROM + index]);

function learnt(events: readonly Event[]): ImageInterest {
  const interest = new ImageInterest();
  for (const event of events) interest.learn(event);
  return interest;
}

function relabelsJudged(events: readonly Event[]): Set<string> {
  const state = createState();
  for (const event of events) evolve(state, event);
  return new Set(decide(state).relabels.map(({ id }) => id));
}

describe('interest in relabels', () => {
  it('takes in every relabel that a verdict is about, on simulated histories', () => {
    for (const seed of SEEDS) {
      const { events } = simulate(randomPlan(seed));
      const judged = relabelsJudged(events);
      const interest = learnt(events);
      const missed = events.filter((event) => judged.has(event.id) && !interest.matters(event));
      expect(
        missed.map(({ id }) => id),
        `history ${seed}`,
      ).toEqual([]);
    }
  });

  it('lets go of relabels of files that are no image', () => {
    const { events } = simulate(randomPlan(1, { complete: true }));
    const [relabel] = events.filter((event) => event.kind === 'RelabelObserved');
    if (relabel === undefined) return expect.unreachable('the history has no relabel');
    const mail = { ...relabel, body: { ...relabel.body, path: '/srv/mail/cur/1', inode: '99000001' } };
    const interest = learnt([...events, mail]);
    expect(interest.matters(mail)).toBe(false);
    expect(interest.matters({ ...mail, body: { ...mail.body, path: relabel.body.path } })).toBe(
      interest.matters(relabel),
    );
  });

  it('says the same whatever the order in which it learnt', () => {
    const { events } = simulate(randomPlan(7));
    const [forth, back] = [learnt(events), learnt(events.toReversed())];
    expect(events.map((event) => forth.matters(event))).toEqual(events.map((event) => back.matters(event)));
  });

  it('follows a file from name to inode to other name and on', () => {
    const assigned = eventOf('ImageAssigned');
    const relabel = eventOf('RelabelObserved');
    const call = (path: string, inode: string | null) => ({
      ...relabel,
      body: { ...relabel.body, path, inode, path_quality: 'absolute' as const },
    });
    const image = assigned.body.images[0];
    if (image === undefined) return expect.unreachable('the history has no image');
    const events = [
      { ...assigned, body: { ...assigned.body, images: [{ ...image, path: '/vm/disk.raw' }] } },
      call('/vm/disk.raw', '41'),
      call('/vm/hard-link', '41'),
      call('/elsewhere/hard-link', '42'),
    ];
    const interest = learnt(events);
    expect(events.map((event) => interest.matters(event))).toEqual([true, true, true, true]);
    const nameless = { ...relabel.body, path: null, path_quality: 'none' as const };
    expect(interest.matters({ ...relabel, body: { ...nameless, inode: '42' } })).toBe(true);
    expect(interest.matters({ ...relabel, body: { ...nameless, inode: '43' } })).toBe(false);
  });

  it('does not tie files by descriptor numbers under /proc', () => {
    const assigned = eventOf('ImageAssigned');
    const relabel = eventOf('RelabelObserved');
    const image = assigned.body.images[0];
    if (image === undefined) return expect.unreachable('the history has no image');
    const call = (path: string, inode: string, path_quality: 'absolute' | 'proc-fd') => ({
      ...relabel,
      body: { ...relabel.body, path, inode, path_quality },
    });
    const other = call('/proc/self/fd/7', '52', 'proc-fd');
    const interest = learnt([
      { ...assigned, body: { ...assigned.body, images: [{ ...image, path: '/vm/disk.raw' }] } },
      call('/vm/disk.raw', '51', 'absolute'),
      call('/proc/self/fd/7', '51', 'proc-fd'),
      other,
    ]);
    expect(interest.matters(other)).toBe(false);
  });
});

function eventOf<K extends Event['kind']>(kind: K): Extract<Event, { kind: K }> {
  const { events } = simulate(randomPlan(1, { complete: true }));
  const found = events.find((event): event is Extract<Event, { kind: K }> => event.kind === kind);
  if (found === undefined) throw new Error(`the history has no ${kind}`);
  return found;
}
