import type { Type, types } from 'avsc';
import { printable } from '../domain/byte-text.js';
import { MigrationAuditError } from '../domain/errors.js';
import { BrokenAvro } from './avro-check.js';
import type { Envelope, Event, EventKind } from './event.js';
import { CURRENT_SCHEMA, RELEASED_SCHEMAS, type ReleasedSchema } from './released-schemas.js';
import { UPCASTERS, type Upcaster } from './upcast.js';

/**
 * Events to bytes and back: Avro single-object encoding.
 *
 *     c3 01 | 8 bytes, little-endian: CRC-64-AVRO of the writer's schema | the record `Event`, Avro binary
 */

/** No event may be larger; the largest real ones are mount tables and domain definitions of some 100 kB. */
export const MAX_EVENT_BYTES = 16 * 1024 * 1024;

const MARKER = Buffer.from([0xc3, 0x01]);
const HEADER_BYTES = 10;
const NAMESPACE = 'migration_audit.';

/** The event as Avro holds it: the name of the body's record is the kind. */
type WireEvent = Envelope & { body: { [recordName: string]: Event['body'] } };

interface Writer {
  schema: ReleasedSchema;
  /** how its events begin */
  header: Buffer;
  /** null for the current release, which needs none */
  resolver: ReturnType<Type['createResolver']> | null;
  upcasters: Upcaster[];
}

/** newest first: most events are of this version */
const writers = RELEASED_SCHEMAS.map(writer).reverse();
const currentHeader = headerOf(CURRENT_SCHEMA);
/** kind <-> name of its record: made once, since joining and cutting them costs more than most fields do */
const recordNames = new Map<string, string>();
const kinds = new Map<string, string>();
for (const name of bodyNames(CURRENT_SCHEMA.type)) {
  recordNames.set(name.slice(NAMESPACE.length), name);
  kinds.set(name, name.slice(NAMESPACE.length));
}
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * @returns memory of its own, which the caller may keep
 * @throws MigrationAuditError MA_BAD_EVENT when a field is not of its type, or the event is too large
 */
export function encodeEvent(event: Event): Buffer {
  const end = encodeIntoScratch(wireFrom(event), event);
  const bytes = Buffer.allocUnsafe(end);
  scratch.copy(bytes, HEADER_BYTES, HEADER_BYTES, end);
  currentHeader.copy(bytes);
  assertReadable(bytes, event);
  return bytes;
}

/**
 * @param bytes exactly one event, of any release
 * @throws MigrationAuditError MA_BAD_EVENT with the offset of what is wrong, MA_UNKNOWN_SCHEMA with the fingerprint
 */
export function decodeEvent(bytes: Buffer): Event {
  if (bytes.length > MAX_EVENT_BYTES) throw badBytes(MAX_EVENT_BYTES, 'too long');
  if (bytes.length < HEADER_BYTES) throw badBytes(bytes.length, 'cut short');
  if (!beginsWith(bytes, MARKER)) throw badBytes(0, 'no Avro single-object marker');
  const from = writers.find(({ header }) => beginsWith(bytes, header));
  if (from === undefined) throw unknownSchema(bytes);
  let event = eventFromWire(readWire(bytes, from));
  for (const upcaster of from.upcasters) event = upcaster.up(event);
  return event;
}

function encodeIntoScratch(wire: WireEvent, event: Event): number {
  for (;;) {
    let end: number;
    try {
      end = CURRENT_SCHEMA.type.encode(wire, scratch, HEADER_BYTES);
    } catch (cause) {
      throw badEvent(event, `${invalidField(wire)} is not of its type`, cause);
    }
    const needed = end >= 0 ? end : scratch.length - end; // avsc tells how many bytes were missing
    if (needed > MAX_EVENT_BYTES)
      throw badEvent(event, `its ${needed} bytes are more than ${MAX_EVENT_BYTES}`);
    if (end >= 0) return end;
    scratch = Buffer.allocUnsafeSlow(Math.min(MAX_EVENT_BYTES, needed * 2));
  }
}

/** Nothing is written that a reader would refuse. */
function assertReadable(bytes: Buffer, event: Event): void {
  try {
    CURRENT_SCHEMA.check(bytes, HEADER_BYTES);
  } catch (cause) {
    throw badEvent(event, cause instanceof BrokenAvro ? cause.message : 'not readable', cause);
  }
}

/** The first field that a value does not fit, as a path; found only after encoding failed. */
function invalidField(wire: WireEvent): string {
  let field: string | undefined;
  CURRENT_SCHEMA.type.isValid(wire, {
    errorHook(path) {
      field ??= path.join('.').replace(NAMESPACE, '');
    },
  });
  return field ?? 'a field';
}

function readWire(bytes: Buffer, from: Writer): WireEvent {
  try {
    from.schema.check(bytes, HEADER_BYTES);
    const { value } = CURRENT_SCHEMA.type.decode(bytes, HEADER_BYTES, from.resolver ?? undefined);
    return value as WireEvent;
  } catch (cause) {
    if (cause instanceof BrokenAvro) throw badBytes(cause.offset, cause.message);
    throw badBytes(HEADER_BYTES, 'not readable', cause);
  }
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

function writer(schema: ReleasedSchema): Writer {
  const lacking = RELEASED_SCHEMAS.filter((later) => later.release >= schema.release).map(
    (s) => s.fingerprint,
  );
  return {
    schema,
    header: headerOf(schema),
    resolver: schema === CURRENT_SCHEMA ? null : CURRENT_SCHEMA.type.createResolver(schema.type),
    upcasters: UPCASTERS.filter((upcaster) => lacking.includes(upcaster.from)),
  };
}

function headerOf(schema: ReleasedSchema): Buffer {
  return Buffer.concat([MARKER, Buffer.from(schema.fingerprint, 'hex').reverse()]);
}

function beginsWith(bytes: Buffer, beginning: Buffer): boolean {
  for (let i = 0; i < beginning.length; i++) if (bytes[i] !== beginning[i]) return false;
  return true;
}

function bodyNames(event: Type): string[] {
  const body = (event as types.RecordType).field('body').type as types.WrappedUnionType;
  return body.types.map((record) => record.branchName as string);
}

function unknownSchema(bytes: Buffer): MigrationAuditError {
  const fingerprint = Buffer.from(bytes.subarray(MARKER.length, HEADER_BYTES)).reverse().toString('hex');
  return new MigrationAuditError('MA_UNKNOWN_SCHEMA', `schema ${fingerprint}`, `fingerprint ${fingerprint}`);
}

function badBytes(offset: number, what: string, cause?: unknown): MigrationAuditError {
  return new MigrationAuditError('MA_BAD_EVENT', `offset ${offset}`, `${what} at offset ${offset}`, {
    cause,
  });
}

function badEvent(event: Event, what: string, cause?: unknown): MigrationAuditError {
  return new MigrationAuditError('MA_BAD_EVENT', `event ${printable(String(event.id))}`, what, { cause });
}
