import { describe, expect, it } from 'vitest';
import { type Condition, Health } from '../../src/telemetry/health.js';

describe('health', () => {
  it('is ready when all conditions hold, and none holds before somebody said so', () => {
    const health = new Health(() => 0);
    const [log, store] = [health.condition('event-log'), health.condition('store', 'is opening')];
    expect(health.isReady).toBe(false);
    expect(health.conditions.map(({ reason }) => reason)).toEqual(['is starting', 'is opening']);
    log.ready();
    expect(health.isReady).toBe(false);
    store.ready();
    expect(health.isReady).toBe(true);
    log.notReady('it is full');
    expect(health.isReady).toBe(false);
    expect(health.conditions[0]).toMatchObject({ name: 'event-log', isReady: false, reason: 'it is full' });
  });

  it('tells since when a condition holds or not, whatever the reasons in between', () => {
    let now = 100;
    const health = new Health(() => now);
    const store = health.condition('store');
    now = 200;
    store.notReady('no route');
    expect(health.conditions[0]).toMatchObject({ since_ms: 100, reason: 'no route' });
    store.ready();
    now = 300;
    store.ready();
    expect(health.conditions[0]).toMatchObject({ since_ms: 200, reason: null });
  });

  it('tells each change once', () => {
    const changes: [string, boolean][] = [];
    const health = new Health(
      () => 0,
      ({ name, isReady }: Condition) => changes.push([name, isReady]),
    );
    const store = health.condition('store');
    store.ready();
    store.ready();
    store.notReady('a');
    store.notReady('b');
    expect(changes).toEqual([
      ['store', false],
      ['store', true],
      ['store', false],
    ]);
  });

  it('has each condition once', () => {
    const health = new Health(() => 0);
    health.condition('store');
    expect(() => health.condition('store')).toThrow('store');
  });

  it('ends with the first death, and is not ready after it', () => {
    const health = new Health(() => 0);
    health.condition('store').ready();
    health.die('the engine is gone');
    health.die('something else');
    expect(health.death).toBe('the engine is gone');
    expect(health.isReady).toBe(false);
  });
});
