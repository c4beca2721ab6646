import type avsc from 'avsc';
import type { Type } from 'avsc';
import fc from 'fast-check';
import { byteTextFrom } from '../../src/domain/byte-text.js';
import type { Event } from '../../src/events/event.js';
import { CURRENT_SCHEMA } from '../../src/events/released-schemas.js';

/** Any event that the current schema can express, all kinds, made from the schema itself. */
export function arbitraryEvent(): fc.Arbitrary<Event> {
  const { body, ...envelope } = fieldsOf(CURRENT_SCHEMA.type);
  const branches = (body as avsc.types.WrappedUnionType).types.map((branch) =>
    arbitraryOf(branch).map((value) => ({ kind: (branch.name as string).split('.').at(-1), body: value })),
  );
  return fc
    .tuple(fc.record(mapValues(envelope, arbitraryOf)), fc.oneof(...branches))
    .map(([fields, kindAndBody]) => ({ ...fields, ...kindAndBody }) as unknown as Event);
}

function arbitraryOf(type: Type): fc.Arbitrary<unknown> {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
  switch (type.typeName) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'long':
      return fc.oneof(fc.integer(), fc.maxSafeInteger()).filter((n) => Math.abs(n) < 2 ** 52);
    case 'bytes':
      return bytes;
    case 'logical:byte-text':
      return fc.oneof(fc.string({ unit: 'binary' }), bytes.map(byteTextFrom));
    case 'string':
    case 'logical:text':
      return fc.string({ unit: 'grapheme', maxLength: 100 });
    case 'array':
      return fc.array(arbitraryOf((type as avsc.types.ArrayType).itemsType), { maxLength: 3 });
    case 'union:unwrapped':
      return fc.oneof(...(type as avsc.types.UnwrappedUnionType).types.map(arbitraryOf));
    case 'record':
      return fc.record(mapValues(fieldsOf(type), arbitraryOf));
    default:
      throw new Error(`no arbitrary for ${type.typeName}`);
  }
}

function fieldsOf(type: Type): Record<string, Type> {
  return Object.fromEntries((type as avsc.types.RecordType).fields.map((field) => [field.name, field.type]));
}

function mapValues<T>(
  record: Record<string, Type>,
  map: (type: Type) => fc.Arbitrary<T>,
): Record<string, fc.Arbitrary<T>> {
  return Object.fromEntries(Object.entries(record).map(([name, type]) => [name, map(type)]));
}
