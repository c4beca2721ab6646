import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MigrationAuditError } from '../../src/domain/errors.js';
import { decodeEvent } from '../../src/events/codec.js';
import { Random } from '../../src/sim/random.js';
import { SEEDS } from '../events/seeds.js';
import { Draft, mutate } from './mutations.js';

const FIXTURES = join(import.meta.dirname, '../events/fixtures');
const RELEASES = readdirSync(FIXTURES).filter((name) => name.endsWith('.base64'));

function eventsOf(release: string): Buffer[] {
  return readFileSync(join(FIXTURES, release), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64'));
}

/** An event, or the error for bytes that are none; anything else fails the test. */
function expectEventOrError(bytes: Buffer): void {
  try {
    const { kind, id, at } = decodeEvent(bytes);
    expect([typeof kind, typeof id, Number.isSafeInteger(at)]).toEqual(['string', 'string', true]);
  } catch (error) {
    if (!(error instanceof MigrationAuditError)) throw error;
    if (error.code !== 'MA_BAD_EVENT' && error.code !== 'MA_UNKNOWN_SCHEMA') throw error;
  }
}

const RSS_GROWTH_MAX = 200 << 20;
const DAMAGED_PER_SEED = 20_000;

describe.each(RELEASES)('events of release %s', (release) => {
  const events = eventsOf(release);

  it('cut at any byte are no events', () => {
    for (const bytes of events)
      for (let length = 0; length < bytes.length; length++)
        expect(() => decodeEvent(bytes.subarray(0, length))).toThrow(MigrationAuditError);
  });

  it('with any one bit flipped are events or errors, and take no memory', () => {
    const rssBefore = process.memoryUsage().rss;
    for (const bytes of events) {
      const flipped = Buffer.from(bytes);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        flipped[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        expectEventOrError(flipped);
        flipped[bit >> 3] = bytes[bit >> 3] as number;
      }
    }
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(RSS_GROWTH_MAX);
  });

  it.each(SEEDS)('damaged in any way are events or errors (seed %i)', (seed) => {
    const random = new Random(seed);
    const draft = new Draft(1 << 18);
    for (let i = 0; i < DAMAGED_PER_SEED; i++) {
      draft.clear();
      draft.begin(random.pick(events));
      mutate(draft, random, random.pick(events));
      expectEventOrError(draft.written());
    }
  });
});
