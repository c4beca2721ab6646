import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** The source of every record type: schemas/*.avsc, one file per record, and the word lists they share. */

const SCHEMAS_URL = new URL('../schemas/', import.meta.url);

/** What travels: each with releases of its own, made of the other records. */
export const ROOTS = ['Event', 'Conclusion', 'DeadLetter'] as const;
export type Root = (typeof ROOTS)[number];

/** schemas/released/, for events, or the folder of that name in it. */
export function releasedUrl(root: Root): URL {
  return new URL(root === 'Event' ? 'released/' : `released/${root}/`, SCHEMAS_URL);
}

export type SchemaType =
  | string
  | SchemaType[]
  | { type: 'array'; items: SchemaType }
  | { type: 'bytes'; logicalType: string }
  /** `words`: the words this version writes, or the name of a list in schemas/words.json */
  | { type: 'string'; words: string | string[] }
  | RecordSchema;

export interface FieldSchema {
  name: string;
  doc?: string;
  type: SchemaType;
  default?: null;
}

export interface RecordSchema {
  type: 'record';
  name: string;
  namespace?: string;
  doc?: string;
  fields: FieldSchema[];
}

export interface WordList {
  doc: string;
  words: string[];
}

export function readRecords(): Map<string, RecordSchema> {
  const records = new Map<string, RecordSchema>();
  for (const file of readdirSync(SCHEMAS_URL).sort()) {
    if (!file.endsWith('.avsc')) continue;
    const record = JSON.parse(readFileSync(new URL(file, SCHEMAS_URL), 'utf8')) as RecordSchema;
    if (file !== `${record.name}.avsc`)
      throw new Error(`schemas/${file} holds a record named ${record.name}`);
    records.set(record.name, record);
  }
  return records;
}

export function readWordLists(): Map<string, WordList> {
  const text = readFileSync(new URL('words.json', SCHEMAS_URL), 'utf8');
  return new Map(Object.entries(JSON.parse(text) as Record<string, WordList>));
}

export interface Released {
  release: number;
  fingerprint: string;
  schema: RecordSchema;
}

/** <n>-<fingerprint>.avsc, oldest first. */
export function readReleased(root: Root): Released[] {
  const folder = releasedUrl(root);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name: file }) => {
      const match = /^(\d+)-([0-9a-f]{16})\.avsc$/.exec(file);
      if (match === null) throw new Error(`${file} is not named as a release is`);
      const schema = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as RecordSchema;
      return { release: Number(match[1]), fingerprint: match[2] as string, schema };
    })
    .sort((a, b) => a.release - b.release);
}

/** Docs and word lists are no part of what travels. */
export function withoutProse(schema: RecordSchema): RecordSchema {
  return JSON.parse(
    JSON.stringify(schema, (key, value) => (key === 'doc' || key === 'words' ? undefined : value)),
  );
}

export function recordNamed(records: ReadonlyMap<string, RecordSchema>, name: string): RecordSchema {
  const record = records.get(name);
  if (record === undefined) throw new Error(`no schemas/${name}.avsc`);
  return record;
}

/** A root with every record it is made of written out where it is first used: what a release holds. */
export function flattened(records: ReadonlyMap<string, RecordSchema>, root: Root): RecordSchema {
  const written = new Set<string>();
  const flattenRecord = (record: RecordSchema): RecordSchema => {
    written.add(record.name);
    return { ...record, fields: record.fields.map((field) => ({ ...field, type: flatten(field.type) })) };
  };
  const flatten = (type: SchemaType): SchemaType => {
    if (Array.isArray(type)) return type.map(flatten);
    if (typeof type === 'string') {
      const record = records.get(type);
      return record === undefined || written.has(type) ? type : flattenRecord(record);
    }
    return type.type === 'array' ? { ...type, items: flatten(type.items) } : type;
  };
  return flattenRecord(recordNamed(records, root));
}
