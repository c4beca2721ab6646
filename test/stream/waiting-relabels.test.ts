import { describe, expect, it } from 'vitest';
import type { Event, EventOf } from '../../src/events/event.js';
import { WaitingRelabels } from '../../src/stream/waiting-relabels.js';
import { sampleEvent } from '../events/sample-events.js';
import { Partition } from './support.js';

const S = 1_000_000;
type Relabel = EventOf<'RelabelObserved'>;

function relabel(name: string, at: number, inode = name): Relabel {
  const sample = sampleEvent('RelabelObserved', { at, id: `relabel/${name}/${at}` }) as Relabel;
  return { ...sample, body: { ...sample.body, path: `/srv/${name}`, inode, serial: at / 1000 } };
}

function assigned(name: string): Event {
  const sample = sampleEvent('ImageAssigned', {
    at: 900 * S,
    id: `image/${name}`,
  }) as EventOf<'ImageAssigned'>;
  const images = sample.body.images.map((image) => ({ ...image, path: `/srv/${name}` }));
  return { ...sample, body: { ...sample.body, images } };
}

const kept = (partition: Partition, kind: string) =>
  [...partition.state.keys()].map((key) => JSON.parse(key)).filter((key) => key[1] === kind);

describe('a relabel of a file that nothing ties to a guest', () => {
  it('waits, over restarts, and is judged when its file turns out to be an image', async () => {
    const partition = new Partition();
    await partition.restart();
    await partition.take([relabel('disk', 10 * S), relabel('mail', 11 * S)]);
    expect(kept(partition, 'waiting').length).toBe(2);
    expect([...partition.said().values()].some(({ table }) => table === 'relabels')).toBe(false);
    await partition.restart();
    await partition.take([assigned('disk')]);
    expect(kept(partition, 'waiting').map(([, , id]) => id)).toEqual([relabel('mail', 11 * S).id]);
    expect([...partition.said().values()].filter(({ table }) => table === 'relabels').length).toBe(1);
  });

  it('is found by another name of its file', async () => {
    const partition = new Partition();
    await partition.restart();
    await partition.take([relabel('hard-link', 10 * S, '77')]);
    await partition.take([assigned('disk'), relabel('disk', 12 * S, '77')]);
    expect(kept(partition, 'waiting')).toEqual([]);
  });

  it('is dropped, what came first before others, when there are too many', async () => {
    const partition = new Partition({ waiting_bytes_max: 20_000 });
    await partition.restart();
    for (let i = 0; i < 100; i++) await partition.take([relabel(`file-${i}`, i * S)]);
    const left = kept(partition, 'waiting').map(([, , id]) => id);
    expect(left.length).toBeGreaterThan(5);
    expect(left.length).toBeLessThan(20);
    expect(left.at(-1)).toBe(relabel('file-99', 99 * S).id);
    expect(await partition.metrics.text()).toContain(`dropped_relabels_total ${100 - left.length}`);
  });

  it('comes twice and waits once, in its fuller form', () => {
    const waiting = new WaitingRelabels(1 << 20);
    const raw = relabel('disk', 10 * S);
    const enriched = { ...raw, witness: Buffer.concat([raw.witness, Buffer.from('UID="root"')]) };
    expect([raw, raw, enriched, raw].map((each) => waiting.hold(each))).toEqual([true, false, true, false]);
    expect(waiting.size).toBe(1);
    waiting.learn(assigned('disk'));
    waiting.learn(raw);
    expect(waiting.takeConcerned()).toEqual([enriched]);
  });
});
