import avsc from 'avsc';
import type { RecordSchema, Root, SchemaType } from './schema-source.js';

/**
 * Whether what one schema wrote can be read with another, by Avro's rules of resolution, for all values that there can
 * be.
 *
 * @returns what is in the way; null when nothing is
 */
export function unreadable(reader: object, writer: object): string | null {
  try {
    typeOf(reader).createResolver(typeOf(writer));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** As any reader of Avro has it: without our logical types. */
function typeOf(schema: object): avsc.Type {
  return avsc.Type.forSchema(schema as Parameters<typeof avsc.Type.forSchema>[0], { wrapUnions: true });
}

/**
 * The schema as if it had only those kinds of events that another one has: what an older reader can be asked to read.
 * It meets others only where it meets such an event, and passes over it.
 */
function withKindsOf(schema: RecordSchema, other: RecordSchema): RecordSchema {
  const known = new Set(kindsOf(other));
  const fields = schema.fields.map((field) =>
    isOfKinds(field.type) ? { ...field, type: field.type.filter((kind) => known.has(nameOf(kind))) } : field,
  );
  return { ...schema, fields: definedAgain(fields, schema) };
}

/** A record is written out where it stands first; when that kind is gone, the next one that names it needs it. */
function definedAgain(fields: RecordSchema['fields'], whole: RecordSchema): RecordSchema['fields'] {
  const definitions = new Map<string, RecordSchema>();
  const collect = (type: SchemaType): void => {
    if (Array.isArray(type)) type.forEach(collect);
    else if (typeof type === 'object' && type.type === 'array') collect(type.items);
    else if (typeof type === 'object' && type.type === 'record') {
      definitions.set(type.name, type);
      for (const field of type.fields) collect(field.type);
    }
  };
  for (const field of whole.fields) collect(field.type);
  const written = new Set<string>();
  const again = (type: SchemaType): SchemaType => {
    if (Array.isArray(type)) return type.map(again);
    const record = typeof type === 'string' ? definitions.get(type) : type;
    if (record === undefined || record.type === 'bytes' || record.type === 'string') return type;
    if (record.type === 'array') return { ...record, items: again(record.items) };
    if (written.has(record.name)) return record.name;
    written.add(record.name);
    return { ...record, fields: record.fields.map((field) => ({ ...field, type: again(field.type) })) };
  };
  return fields.map((field) => ({ ...field, type: again(field.type) }));
}

function kindsOf(schema: RecordSchema): string[] {
  return schema.fields.flatMap(({ type }) => (isOfKinds(type) ? type.map(nameOf) : []));
}

function isOfKinds(type: SchemaType): type is SchemaType[] {
  return Array.isArray(type) && !type.includes('null') && type.length > 1;
}

function nameOf(kind: SchemaType): string {
  if (typeof kind === 'string') return kind;
  return 'name' in kind ? kind.name : '';
}

/**
 * The first release whose readers can read what comes after it. Release 3 of events says a serial that may be null
 * where those before said one, so that their readers can read no `GuestStarted` of it; nobody has them.
 */
const FORWARD_FROM: Record<Root, number> = { Event: 3, Conclusion: 1, DeadLetter: 1 };

/**
 * Why a schema must not follow the releases before it; empty when it may. Older records stay readable. Older readers
 * can read newer records, of every kind that they know; a new kind of event they have to pass over.
 */
export function incompatibilities(
  root: Root,
  schema: RecordSchema,
  older: readonly RecordSchema[],
): string[] {
  return older.flatMap((other, index) => {
    const backward = unreadable(schema, other);
    const isAsked = index + 1 >= FORWARD_FROM[root];
    const forward = isAsked ? unreadable(other, withKindsOf(schema, other)) : null;
    return [
      ...(backward === null ? [] : [`cannot read release ${index + 1}: ${backward}`]),
      ...(forward === null ? [] : [`release ${index + 1} cannot read it: ${forward}`]),
    ];
  });
}
