import { readdirSync, readFileSync } from 'node:fs';
import avsc, { type Type } from 'avsc';
import { type AvroCheck, checkOf } from './avro-check.js';
import { avroFingerprint } from './avro-fingerprint.js';
import { ByteTextType, TextType } from './avro-text.js';

/**
 * Every schema that events were ever written with: schemas/released/<n>-<fingerprint>.avsc, read once when the module
 * is loaded. The newest one is what this version writes. A released file never changes.
 */

export interface ReleasedSchema {
  release: number;
  /** 16 hexadecimal digits of CRC-64-AVRO */
  fingerprint: string;
  type: Type;
  check: AvroCheck;
}

/** From src/events as well as from dist/events. */
const RELEASED_URL = new URL('../../schemas/released/', import.meta.url);
const FILE_NAME = /^(\d+)-([0-9a-f]{16})\.avsc$/;

/** Oldest first. */
export const RELEASED_SCHEMAS: readonly ReleasedSchema[] = readReleased();
export const CURRENT_SCHEMA = RELEASED_SCHEMAS.at(-1) as ReleasedSchema;

function readReleased(): ReleasedSchema[] {
  return readdirSync(RELEASED_URL)
    .flatMap((file) => {
      const match = FILE_NAME.exec(file);
      if (match === null) return [];
      const schema: unknown = JSON.parse(readFileSync(new URL(file, RELEASED_URL), 'utf8'));
      const type = eventTypeFrom(schema);
      return { release: Number(match[1]), fingerprint: match[2] as string, type, check: checkOf(type) };
    })
    .sort((a, b) => a.release - b.release);
}

/** Avro's `Event` with our text types. Of its unions only `body` is ambiguous; it alone comes wrapped: `{name: value}`. */
export function eventTypeFrom(schema: unknown): Type {
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
