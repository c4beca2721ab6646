import type { Type, types } from 'avsc';
import { printable } from '../domain/byte-text.js';
import type { Envelope, Event, EventKind } from './event.js';
import { CURRENT_SCHEMA, RELEASED_SCHEMAS, releasesOf } from './released-schemas.js';
import { SingleObjectCodec } from './single-object.js';
import type { Conclusion, DeadLetter } from './topic-records.js';
import { UPCASTERS, type Upcaster } from './upcast.js';

/** The records of every topic to bytes and back, each in Avro single-object encoding. */

/** No event may be larger; the largest real ones are mount tables and domain definitions of some 100 kB. */
export const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/** What was concluded from one holds its witness as JSON, in which one byte can take six. */
const MAX_RECORD_BYTES = 8 * MAX_EVENT_BYTES;

const NAMESPACE = 'migration_audit.';

/** The event as Avro holds it: the name of the body's record is the kind. */
type WireEvent = Envelope & { body: { [recordName: string]: Event['body'] } };

const events = new SingleObjectCodec<WireEvent>({
  releases: RELEASED_SCHEMAS,
  bytes_max: MAX_EVENT_BYTES,
  code: 'MA_BAD_EVENT',
});
const conclusions = recordCodec<Conclusion>('Conclusion');
const deadLetters = recordCodec<DeadLetter>('DeadLetter');

/** kind <-> name of its record: made once, since joining and cutting them costs more than most fields do */
const recordNames = new Map<string, string>();
const kinds = new Map<string, string>();
for (const name of bodyNames(CURRENT_SCHEMA.type)) {
  recordNames.set(name.slice(NAMESPACE.length), name);
  kinds.set(name, name.slice(NAMESPACE.length));
}

/** By the fingerprint of the writer's schema: what its events have to pass through. */
const upcastersOf = new Map(
  RELEASED_SCHEMAS.map(({ fingerprint, release }): [string, Upcaster[]] => {
    const later = RELEASED_SCHEMAS.filter((other) => other.release >= release);
    const lacking = later.map((other) => other.fingerprint);
    return [fingerprint, UPCASTERS.filter((upcaster) => lacking.includes(upcaster.from))];
  }),
);

/**
 * @returns memory of its own, which the caller may keep
 * @throws MigrationAuditError MA_BAD_EVENT when a field is not of its type, or the event is too large
 */
export function encodeEvent(event: Event): Buffer {
  return events.encode(wireFrom(event), () => `event ${printable(String(event.id))}`);
}

/**
 * @param bytes exactly one event, of any release
 * @throws MigrationAuditError MA_BAD_EVENT with the offset of what is wrong, MA_UNKNOWN_SCHEMA with the fingerprint
 */
export function decodeEvent(bytes: Buffer): Event {
  const { wire, schema } = events.decode(bytes);
  let event = eventFromWire(wire);
  for (const upcaster of upcastersOf.get(schema.fingerprint) ?? []) event = upcaster.up(event);
  return event;
}

/** @throws MigrationAuditError MA_BAD_RECORD */
export function encodeConclusion(conclusion: Conclusion): Buffer {
  return conclusions.encode(conclusion, () => `${conclusion.table} ${printable(conclusion.id)}`);
}

/** @throws MigrationAuditError MA_BAD_RECORD, MA_UNKNOWN_SCHEMA */
export function decodeConclusion(bytes: Buffer): Conclusion {
  return { ...conclusions.decode(bytes).wire };
}

/** @throws MigrationAuditError MA_BAD_RECORD */
export function encodeDeadLetter(letter: DeadLetter): Buffer {
  return deadLetters.encode(letter, () => `dead letter ${letter.topic} ${letter.offset}`);
}

/** @throws MigrationAuditError MA_BAD_RECORD, MA_UNKNOWN_SCHEMA */
export function decodeDeadLetter(bytes: Buffer): DeadLetter {
  return { ...deadLetters.decode(bytes).wire };
}

function recordCodec<Wire>(root: 'Conclusion' | 'DeadLetter'): SingleObjectCodec<Wire> {
  return new SingleObjectCodec<Wire>({
    releases: releasesOf(root),
    bytes_max: MAX_RECORD_BYTES,
    code: 'MA_BAD_RECORD',
  });
}

function wireFrom(event: Event): WireEvent {
  const { cluster, host, boot, stream, sequence, at, id, witness, kind, body } = event;
  const recordName = recordNames.get(kind) ?? NAMESPACE + kind;
  return { cluster, host, boot, stream, sequence, at, id, witness, body: { [recordName]: body } };
}

function eventFromWire(wire: WireEvent): Event {
  const recordName = Object.keys(wire.body)[0] as string;
  const { cluster, host, boot, stream, sequence, at, id, witness } = wire;
  const kind = kinds.get(recordName) as EventKind;
  const body = wire.body[recordName];
  return { cluster, host, boot, stream, sequence, at, id, witness, kind, body } as Event;
}

function bodyNames(event: Type): string[] {
  const body = (event as types.RecordType).field('body').type as types.WrappedUnionType;
  return body.types.map((record) => record.branchName as string);
}
