import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventTypesSource, releasedSchemaTextsSource } from '../../scripts/generate-event-types.js';
import { flattenedEvent, readRecords, readReleased, withoutProse } from '../../scripts/schema-source.js';
import { decodeEvent, encodeEvent } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import {
  CURRENT_SCHEMA,
  eventTypeFrom,
  fingerprintOf,
  RELEASED_SCHEMAS,
} from '../../src/events/released-schemas.js';
import { UPCASTERS } from '../../src/events/upcast.js';
import { SAMPLE_EVENTS } from './sample-events.js';

/** Written once, for good: a released schema is what somebody's topic and archive are full of. */
const RELEASES = ['1-f5a1127326c1029d', '2-102158164db58727', '3-24cc0323e1436cd5'];

describe('released schemas', () => {
  it('are these, and none is ever taken back', () => {
    const nameOf = (schema: { release: number; fingerprint: string }) =>
      `${schema.release}-${schema.fingerprint}`;
    expect(readReleased().map(nameOf)).toEqual(RELEASES);
    expect(RELEASED_SCHEMAS.map(nameOf)).toEqual(RELEASES);
  });

  it('still have the fingerprints of their names', () => {
    for (const { fingerprint, schema } of readReleased()) {
      expect(fingerprintOf(eventTypeFrom(schema))).toBe(fingerprint);
    }
  });

  it('end with the schema as it stands: whoever changes it must release it (scripts/release-schema.ts)', () => {
    const newest = readReleased().at(-1)!.schema;
    expect(withoutProse(newest)).toEqual(withoutProse(flattenedEvent(readRecords())));
  });

  it('are what the upcasters name', () => {
    const fingerprints = RELEASED_SCHEMAS.map((schema) => schema.fingerprint);
    const named = UPCASTERS.map((upcaster) => fingerprints.indexOf(upcaster.from));
    expect(named).not.toContain(-1);
    expect(named).toEqual([...named].sort((a, b) => a - b));
    expect(named).not.toContain(fingerprints.length - 1);
  });
});

describe('generated code is what `npm run generate` makes of the schemas', () => {
  it.each([
    ['event.ts', eventTypesSource],
    ['released-schema-texts.ts', releasedSchemaTextsSource],
  ])('src/events/%s', (file, source) => {
    const text = readFileSync(new URL(`../../src/events/${file}`, import.meta.url), 'utf8');
    expect(text).toBe(source());
  });
});

describe('events of every release', () => {
  it('the newest one: the same event always becomes the same bytes', async () => {
    const lines = SAMPLE_EVENTS.map((event) => `${encodeEvent(event).toString('base64')}\n`);
    await expect(lines.join('')).toMatchFileSnapshot(`fixtures/${RELEASES.at(-1)}.base64`);
  });

  it.each(RELEASES)('%s are still read, as what they meant', async (name) => {
    const events = fixture(name).map(decodeEvent);
    await expect(asJson(events)).toMatchFileSnapshot(`fixtures/${name}.decoded`);
  });

  it('the fixture of the newest one is the sample of every kind', () => {
    expect(fixture(RELEASES.at(-1) as string).map(decodeEvent)).toEqual(SAMPLE_EVENTS);
  });

  it('release 1: missing serials, which it named in the text alone, become fields', () => {
    const gap = fixture('1-f5a1127326c1029d')
      .map(decodeEvent)
      .find((event) => event.kind === 'GapDetected');
    expect(gap).toEqual(SAMPLE_EVENTS.find((event) => event.kind === 'GapDetected'));
  });

  it('release 1: everything else is as it was', () => {
    const events = fixture('1-f5a1127326c1029d').map(decodeEvent);
    expect(events).toEqual(SAMPLE_EVENTS.filter((event) => event.kind !== 'AccessDenied'));
  });
});

it('what is written is the newest release', () => {
  expect(CURRENT_SCHEMA).toBe(RELEASED_SCHEMAS.at(-1));
});

/** One encoded event a line, in base64. */
function fixture(name: string): Buffer[] {
  const text = readFileSync(new URL(`fixtures/${name}.base64`, import.meta.url), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64'));
}

function asJson(events: Event[]): string {
  const readable = events.map((event) => ({ ...event, witness: event.witness.toString('base64') }));
  return `${JSON.stringify(readable, null, 2)}\n`;
}
