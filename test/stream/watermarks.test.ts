import { describe, expect, it } from 'vitest';
import type { EventOf, Heartbeat } from '../../src/events/event.js';
import { Random } from '../../src/sim/random.js';
import { Watermarks } from '../../src/stream/watermarks.js';
import { sampleEvent } from '../events/sample-events.js';

const S = 1_000_000;

function heartbeat(host: string, at: number, body: Partial<Heartbeat> = {}): EventOf<'Heartbeat'> {
  const whole = { streams: [], clock_offset_us: null, clock_uncertainty_us: null, ...body };
  return { ...(sampleEvent('Heartbeat', { host, at }) as EventOf<'Heartbeat'>), body: whole };
}

describe('a host has passed a moment', () => {
  it('of its own clock when the slowest of its streams has', () => {
    const marks = new Watermarks();
    const moment = { host: 'a', at_us: 100 * S };
    expect(marks.hasPassed('a', moment)).toBe(false);
    const streams = [
      { stream: 'audit' as const, at: 100 * S },
      { stream: 'virsh-event' as const, at: 150 * S },
    ];
    marks.take(heartbeat('a', 200 * S, { streams }));
    expect(marks.hasPassed('a', moment)).toBe(false); // something of that very moment may follow
    marks.take(heartbeat('a', 200 * S, { streams: [{ stream: 'audit', at: 100 * S + 1 }] }));
    expect(marks.hasPassed('a', moment)).toBe(true);
  });

  it('of another clock with a minute to spare, when nobody knows how far the clocks are apart', () => {
    const marks = new Watermarks();
    const moment = { host: 'a', at_us: 100 * S };
    marks.take(heartbeat('b', 160 * S));
    expect(marks.hasPassed('b', moment)).toBe(false);
    marks.take(heartbeat('b', 160 * S + 1));
    expect(marks.hasPassed('b', moment)).toBe(true);
  });

  it('of another clock by what both hosts know of theirs', () => {
    const marks = new Watermarks();
    const day = 86_400 * S;
    const moment = { host: 'a', at_us: 100 * S }; // a's clock is right within a second: by 101 s true time
    marks.take(heartbeat('a', 100 * S, { clock_offset_us: 0, clock_uncertainty_us: S }));
    // b's is a day ahead, within two
    marks.take(heartbeat('b', day + 103 * S, { clock_offset_us: day, clock_uncertainty_us: 2 * S }));
    expect(marks.hasPassed('b', moment)).toBe(false);
    marks.take(heartbeat('b', day + 103 * S + 1, { clock_offset_us: day, clock_uncertainty_us: 2 * S }));
    expect(marks.hasPassed('b', moment)).toBe(true);
  });

  it('whatever the order and repetition of the heartbeats', () => {
    const random = new Random(1);
    const beats = Array.from({ length: 30 }, (_, index) =>
      heartbeat('a', index * S, {
        streams: [{ stream: random.pick(['audit', 'virsh-event']), at: (index - random.between(0, 3)) * S }],
        clock_offset_us: random.between(-500, 500),
        clock_uncertainty_us: random.between(0, 90),
      }),
    );
    const joined = (all: typeof beats) => {
      const marks = new Watermarks();
      for (const beat of all) marks.take(beat);
      return marks.get('a');
    };
    for (let i = 0; i < 20; i++)
      expect(joined(random.shuffled([...beats, ...beats.slice(0, 9)]))).toEqual(joined(beats));
  });

  it('and stays there when its clock is set back', () => {
    const marks = new Watermarks();
    marks.take(heartbeat('a', 200 * S));
    expect(marks.take(heartbeat('a', 100 * S))).toBe(false);
    expect(marks.hasPassed('a', { host: 'a', at_us: 150 * S })).toBe(true);
  });
});
