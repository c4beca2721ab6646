import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  eventTypesSource,
  releasedSchemaTextsSource,
  topicRecordTypesSource,
} from '../../scripts/generate-event-types.js';
import { flattened, ROOTS, readRecords, readReleased, withoutProse } from '../../scripts/schema-source.js';
import {
  decodeConclusion,
  decodeDeadLetter,
  decodeEvent,
  encodeConclusion,
  encodeDeadLetter,
  encodeEvent,
} from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import {
  CURRENT_SCHEMA,
  fingerprintOf,
  RELEASED_SCHEMAS,
  typeFrom,
} from '../../src/events/released-schemas.js';
import { UPCASTERS } from '../../src/events/upcast.js';
import { SAMPLE_EVENTS } from './sample-events.js';
import { SAMPLE_CONCLUSIONS, SAMPLE_DEAD_LETTER } from './sample-records.js';

/** Written once, for good: a released schema is what somebody's topic and archive are full of. */
const RELEASES = ['1-f5a1127326c1029d', '2-102158164db58727', '3-24cc0323e1436cd5'];

const RECORD_RELEASES = { Conclusion: ['1-a5579c630291e46b'], DeadLetter: ['1-51a3f8bde9a6d9aa'] };

const nameOf = (schema: { release: number; fingerprint: string }) =>
  `${schema.release}-${schema.fingerprint}`;

describe('released schemas', () => {
  it('are these, and none is ever taken back', () => {
    expect(readReleased('Event').map(nameOf)).toEqual(RELEASES);
    expect(RELEASED_SCHEMAS.map(nameOf)).toEqual(RELEASES);
    expect(readReleased('Conclusion').map(nameOf)).toEqual(RECORD_RELEASES.Conclusion);
    expect(readReleased('DeadLetter').map(nameOf)).toEqual(RECORD_RELEASES.DeadLetter);
  });

  it.each(ROOTS)('of %s still have the fingerprints of their names', (root) => {
    for (const { fingerprint, schema } of readReleased(root)) {
      expect(fingerprintOf(typeFrom(schema))).toBe(fingerprint);
    }
  });

  it.each(ROOTS)(
    'of %s end with the schema as it stands: whoever changes it must release it (scripts/release-schema.ts)',
    (root) => {
      const newest = readReleased(root).at(-1)!.schema;
      expect(withoutProse(newest)).toEqual(withoutProse(flattened(readRecords(), root)));
    },
  );

  it('hold every record that there is', () => {
    const held = JSON.stringify(ROOTS.map((root) => flattened(readRecords(), root)));
    const missing = [...readRecords().keys()].filter((name) => !held.includes(`"name":"${name}"`));
    expect(missing).toEqual([]);
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
    ['topic-records.ts', topicRecordTypesSource],
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

describe('conclusions and dead letters of every release', () => {
  it('the newest one: the same record always becomes the same bytes', async () => {
    const conclusions = SAMPLE_CONCLUSIONS.map((each) => `${encodeConclusion(each).toString('base64')}\n`);
    const letter = `${encodeDeadLetter(SAMPLE_DEAD_LETTER).toString('base64')}\n`;
    const [conclusion, deadLetter] = [RECORD_RELEASES.Conclusion.at(-1), RECORD_RELEASES.DeadLetter.at(-1)];
    await expect(conclusions.join('')).toMatchFileSnapshot(
      `fixtures/records/Conclusion-${conclusion}.base64`,
    );
    await expect(letter).toMatchFileSnapshot(`fixtures/records/DeadLetter-${deadLetter}.base64`);
  });

  it.each(RECORD_RELEASES.Conclusion)('conclusions of %s are still read', (name) => {
    expect(fixture(`records/Conclusion-${name}`).map(decodeConclusion)).toEqual(SAMPLE_CONCLUSIONS);
  });

  it.each(RECORD_RELEASES.DeadLetter)('dead letters of %s are still read', (name) => {
    expect(fixture(`records/DeadLetter-${name}`).map(decodeDeadLetter)).toEqual([SAMPLE_DEAD_LETTER]);
  });

  it('bytes of another kind of record are refused by the fingerprint', () => {
    const event = encodeEvent(SAMPLE_EVENTS[0] as Event);
    expect(() => decodeConclusion(event)).toThrow(/schema that this version does not know/);
    expect(() => decodeConclusion(Buffer.from('{}'))).toThrow(/no record of their topic/);
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
