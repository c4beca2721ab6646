import avsc, { type Type } from 'avsc';
import { type AvroCheck, checkOf } from './avro-check.js';
import { avroFingerprint } from './avro-fingerprint.js';
import { ByteTextType, TextType } from './avro-text.js';
import { RELEASED_SCHEMA_TEXTS } from './released-schema-texts.js';

/** A schema that records of one kind were ever written with. */
export interface ReleasedSchema {
  release: number;
  /** 16 hexadecimal digits of CRC-64-AVRO */
  fingerprint: string;
  type: Type;
  check: AvroCheck;
}

/** Of events, oldest first. */
export const RELEASED_SCHEMAS: readonly ReleasedSchema[] = releasesOf('Event');

/** What this version writes. */
export const CURRENT_SCHEMA = RELEASED_SCHEMAS.at(-1) as ReleasedSchema;

/** Oldest first. */
export function releasesOf(root: keyof typeof RELEASED_SCHEMA_TEXTS): readonly ReleasedSchema[] {
  return RELEASED_SCHEMA_TEXTS[root].map(({ release, fingerprint, text }) => {
    const type = typeFrom(JSON.parse(text));
    return { release, fingerprint, type, check: checkOf(type) };
  });
}

/** Avro with our text types. Of all unions only `Event.body` is ambiguous; it alone comes wrapped: `{name: value}`. */
export function typeFrom(schema: unknown): Type {
  return avsc.Type.forSchema(schema as Parameters<typeof Type.forSchema>[0], {
    wrapUnions: 'auto',
    omitRecordMethods: true,
    assertLogicalTypes: true,
    logicalTypes: { 'byte-text': ByteTextType },
    registry: { string: new TextType({ type: 'string', logicalType: 'text' }) },
  });
}

/** CRC-64-AVRO of the type's parsing canonical form, which is what avsc's `schema()` without attributes is. */
export function fingerprintOf(type: Type): string {
  return avroFingerprint(JSON.stringify(type.schema()));
}
