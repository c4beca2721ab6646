import { readFileSync } from 'node:fs';
import avsc from 'avsc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RegistryFraming } from '../../../../src/eventlog/kafka/registry/framing.js';
import { checkSchemas, registerSchemas } from '../../../../src/eventlog/kafka/registry/registration.js';
import { RegistryClient } from '../../../../src/eventlog/kafka/registry/registry-client.js';
import { type SharedTopic, subjectOf } from '../../../../src/eventlog/kafka/registry/subjects.js';
import type { LogRecord, Output, Topic } from '../../../../src/eventlog/port.js';
import {
  decodeConclusion,
  decodeEvent,
  encodeConclusion,
  encodeEvent,
} from '../../../../src/events/codec.js';
import type { Event } from '../../../../src/events/event.js';
import { RELEASED_SCHEMA_TEXTS } from '../../../../src/events/released-schema-texts.js';
import type { Conclusion } from '../../../../src/events/topic-records.js';
import { SAMPLE_EVENTS } from '../../../events/sample-events.js';
import { SAMPLE_CONCLUSIONS } from '../../../events/sample-records.js';
import { SchemaRegistry } from '../../../services/schema-registry.js';

const SETTINGS = { prefix: 'fleet' };
const EVENT = SAMPLE_EVENTS[0] as Event;
const CONCLUSION = SAMPLE_CONCLUSIONS[0] as Conclusion;

let registry: SchemaRegistry;
let client: RegistryClient;
let framing: RegistryFraming;
/** null: ready */
let unready: string | null;

beforeEach(async () => {
  registry = await SchemaRegistry.start();
  client = clientWith(async () => null);
  framing = newFraming();
});
afterEach(() => registry.close());

function clientWith(authorization: () => Promise<string | null>): RegistryClient {
  return new RegistryClient({ url: registry.url, ca: null, authorization });
}

function newFraming(): RegistryFraming {
  unready = null;
  return new RegistryFraming({
    client,
    subjects: 'topic',
    topicName: (topic) => `fleet.${topic}`,
    condition: {
      ready: () => {
        unready = null;
      },
      notReady: (reason) => {
        unready = reason;
      },
    },
  });
}

const register = () => registerSchemas(SETTINGS, { client, subjects: 'topic' });
const check = () => checkSchemas(SETTINGS, { client, subjects: 'topic' });

function output(topic: Topic, value: Buffer): Output {
  return { topic, record: { key: 'lab', value, id: null } };
}

function record(topic: Topic, value: Buffer): LogRecord {
  return { topic, partition: 0, offset: 7, key: 'lab', value, appended_us: 1 };
}

async function sent(topic: Topic, value: Buffer): Promise<Buffer> {
  const [framed] = await framing.outgoing([output(topic, value)]);
  return framed?.record.value as Buffer;
}

async function received(topic: Topic, value: Buffer): Promise<Buffer> {
  const [read] = await framing.incoming([record(topic, value)]);
  return read?.value as Buffer;
}

/** An event of release 2, as an older collector wrote it. */
function olderEvent(): Buffer {
  const file = new URL('../../../events/fixtures/2-102158164db58727.base64', import.meta.url);
  return Buffer.from(readFileSync(file, 'utf8').split('\n')[0] as string, 'base64');
}

/** What a program makes of a record that knows the registry and no more. */
async function readByAnother(value: Buffer): Promise<Record<string, unknown>> {
  expect(value[0]).toBe(0);
  const answer = await fetch(`${registry.url}/schemas/ids/${value.readInt32BE(1)}`);
  const { schema } = (await answer.json()) as { schema: string };
  return avsc.Type.forSchema(JSON.parse(schema)).fromBuffer(value.subarray(5));
}

describe('what is sent', () => {
  it('can be read by who knows the registry alone, and comes back as it was', async () => {
    await register();
    const [event, conclusion] = [encodeEvent(EVENT), encodeConclusion(CONCLUSION)];
    const sentEvent = await sent('events', event);
    expect(await readByAnother(sentEvent)).toMatchObject({
      cluster: EVENT.cluster,
      sequence: EVENT.sequence,
    });
    expect(await received('events', sentEvent)).toEqual(event);
    const sentConclusion = await sent('findings', conclusion);
    expect(await readByAnother(sentConclusion)).toMatchObject({ cluster: CONCLUSION.cluster });
    expect(decodeConclusion(await received('findings', sentConclusion))).toEqual(CONCLUSION);
  });

  it('leaves the bytes it was given as they are: others hold them, too', async () => {
    await register();
    const event = encodeEvent(EVENT);
    const before = Buffer.from(event);
    await sent('events', event);
    expect(event).toEqual(before);
  });

  it('of an older release goes out under the id of its own schema', async () => {
    await register();
    const older = olderEvent();
    const framed = await sent('events', older);
    expect(framed.readInt32BE(1)).not.toBe((await sent('events', encodeEvent(EVENT))).readInt32BE(1));
    expect(await received('events', framed)).toEqual(older);
  });

  it('stays as it is in `state`, and when it is no record of the topic', async () => {
    await register();
    const event = encodeEvent(EVENT);
    expect(await sent('state', event)).toBe(event);
    for (const other of [Buffer.alloc(0), Buffer.from([0, 0, 0, 0, 1]), Buffer.from('{}'), event])
      expect(await sent('findings', other)).toBe(other);
  });

  it('asks once for each schema, however many ask at the same time', async () => {
    await register();
    registry.asked.length = 0;
    const event = encodeEvent(EVENT);
    await Promise.all([1, 2, 3].map(() => sent('events', event)));
    await sent('events', event);
    expect(registry.asked).toEqual(['POST /subjects/fleet.events-value']);
  });

  it('waits for a schema that is not registered, says so, and goes on once it is', async () => {
    await expect(sent('events', encodeEvent(EVENT))).rejects.toMatchObject({
      code: 'MA_SCHEMA_NOT_REGISTERED',
      where: 'subject fleet.events-value',
    });
    expect(unready).toContain('not in the schema registry');
    await register();
    expect((await sent('events', encodeEvent(EVENT)))[0]).toBe(0);
    expect(unready).toBeNull();
  });
});

describe('what is read', () => {
  it('may be in our own form', async () => {
    const event = encodeEvent(EVENT);
    expect(await received('events', event)).toBe(event);
    expect(registry.asked).toEqual([]);
  });

  it('with an id that the registry does not know stays as it is, and is a dead letter with that id', async () => {
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, 99]), encodeEvent(EVENT).subarray(10)]);
    expect(await received('events', framed)).toEqual(framed);
    expect(unready).toBeNull();
    expect(() => decodeEvent(framed)).toThrow(expect.objectContaining({ code: 'MA_UNKNOWN_SCHEMA' }));
    expect(() => decodeEvent(framed)).toThrow(/id 99 /);
    await received('events', framed);
    expect(registry.asked).toEqual(['GET /schemas/ids/99']);
  });

  it('with the id of a schema of others has that schema’s fingerprint, which no release has', async () => {
    const id = registry.register('other', {
      type: 'record',
      name: 'Other',
      fields: [{ name: 'a', type: 'long' }],
    });
    const framed = Buffer.from([0, 0, 0, 0, id, 2]);
    const read = await received('events', framed);
    expect(() => decodeEvent(read)).toThrow(expect.objectContaining({ code: 'MA_UNKNOWN_SCHEMA' }));
  });

  it('is read when others registered the same schema in their way of writing it', async () => {
    const { text } = RELEASED_SCHEMA_TEXTS.Event.at(-1) as { text: string };
    const schema = JSON.parse(text);
    const id = registry.register('fleet.events-value', { doc: 'as another program wrote it', ...schema });
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, id]), encodeEvent(EVENT).subarray(10)]);
    expect(decodeEvent(await received('events', framed))).toEqual(EVENT);
  });

  it('of a few bytes is left to the codec', async () => {
    for (const bytes of [[], [0], [0, 0, 0, 1]]) {
      const value = Buffer.from(bytes);
      expect(await received('events', value)).toBe(value);
      expect(() => decodeEvent(value)).toThrow();
    }
    expect(registry.asked).toEqual([]);
  });
});

describe('a registry that is away', () => {
  const troubles = [
    ['does not answer', 'no answer'],
    ['fails', { status: 500, body: '{"error_code":50001,"message":"Error in the backend datastore"}' }],
    ['is a proxy’s page', { status: 404, body: '<html>no such page</html>' }],
    ['says what is no answer', { status: 200, body: '{"version":1}' }],
    ['says no JSON', { status: 200, body: 'ok' }],
    ['is busy', { status: 429, body: '{"error_code":429,"message":"slow down"}' }],
  ] as const;

  it.each(troubles)(
    'because it %s: what is known goes on, what is not waits, nothing is given up',
    async (_, trouble) => {
      await register();
      const conclusion = encodeConclusion(CONCLUSION);
      const known = await sent('events', encodeEvent(EVENT));
      const unknown = await sent('findings', conclusion);
      framing = newFraming();
      await sent('events', encodeEvent(EVENT));
      await received('events', known);
      registry.trouble = trouble;
      expect(await sent('events', encodeEvent(EVENT))).toEqual(known);
      expect(decodeEvent(await received('events', known))).toEqual(EVENT);
      await expect(sent('findings', conclusion)).rejects.toMatchObject({ code: 'MA_SCHEMA_REGISTRY' });
      await expect(received('findings', unknown)).rejects.toMatchObject({ code: 'MA_SCHEMA_REGISTRY' });
      expect(unready).toContain('the schema registry could not do it');
      registry.trouble = null;
      expect(await sent('findings', conclusion)).toEqual(unknown);
      expect(unready).not.toBeNull(); // what was to be read was not asked for again
      expect(await received('findings', unknown)).toEqual(conclusion);
      expect(unready).toBeNull();
    },
  );

  it('refuses who does not log in, and hears who does with what is in effect by then', async () => {
    registry.authorization = 'Bearer second';
    const tokens = ['Bearer first', 'Bearer second'];
    client = clientWith(async () => tokens.shift() ?? null);
    await expect(client.idOf('fleet.events-value', '{}')).rejects.toMatchObject({
      code: 'MA_SCHEMA_REGISTRY',
      message: expect.stringContaining('HTTP 401'),
    });
    expect(await client.idOf('fleet.events-value', '{}')).toBeNull();
  });
});

describe('registering', () => {
  it('makes each subject with all releases and its level, and does nothing the second time', async () => {
    expect(await check()).toContainEqual({
      topic: 'fleet.events',
      setting: 'schema 24cc0323e1436cd5 of fleet.events-value',
      found: 'not registered',
      wanted: 'registered',
      severity: 'error',
    });
    const subjects = ['events', 'timeline', 'findings', 'dead-letters'].map(
      (topic) => `fleet.${topic}-value`,
    );
    expect(await register()).toEqual(subjects);
    expect(await check()).toEqual([]);
    expect(await register()).toEqual([]);
    expect(registry.subjects()).toEqual({
      'fleet.events-value': RELEASED_SCHEMA_TEXTS.Event.length,
      'fleet.timeline-value': 1,
      'fleet.findings-value': 1,
      'fleet.dead-letters-value': 1,
    });
    expect(subjects.map((subject) => registry.levelOf(subject))).toEqual(
      subjects.map(() => 'BACKWARD_TRANSITIVE'),
    );
  });

  it('works with the levels that registries have, and refuses none of our releases by them', async () => {
    registry.globalLevel = 'FULL_TRANSITIVE';
    expect(await register()).toHaveLength(4);
    expect(await check()).toEqual([]);
  });

  it('tells what the registry refuses, and why', async () => {
    registry.register('fleet.events-value', {
      type: 'record',
      name: 'Event',
      fields: [{ name: 'x', type: 'long' }],
    });
    registry.setLevel('fleet.events-value', 'FULL');
    expect(await register()).not.toContain('fleet.events-value');
    const problems = await check();
    expect(problems).toContainEqual(
      expect.objectContaining({
        found: expect.stringMatching(/^refused as incompatible \(.*Event/),
        severity: 'error',
      }),
    );
    expect(problems).toContainEqual(
      expect.objectContaining({
        setting: 'compatibility of fleet.events-value',
        found: 'FULL',
        severity: 'warning',
      }),
    );
  });

  it.each([
    ['topic', 'events', 'fleet.events-value'],
    ['record', 'events', 'migration_audit.Event'],
    ['record', 'findings', 'migration_audit.Conclusion'],
    ['topic-record', 'timeline', 'fleet.timeline-migration_audit.Conclusion'],
    ['topic-record', 'dead-letters', 'fleet.dead-letters-migration_audit.DeadLetter'],
  ] as const)('names subjects by %s: that of %s is %s', (names, topic: SharedTopic, subject) => {
    expect(subjectOf(names, topic, `fleet.${topic}`)).toBe(subject);
  });
});
