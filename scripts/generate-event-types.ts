import { realpathSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type FieldSchema,
  type RecordSchema,
  ROOTS,
  type Root,
  readRecords,
  readReleased,
  readWordLists,
  recordNamed,
  type SchemaType,
  type WordList,
  withoutProse,
} from './schema-source.js';

/** Writes event.ts, topic-records.ts and released-schema-texts.ts of src/events from schemas/: `npm run generate`. */

const EVENTS_URL = new URL('../src/events/', import.meta.url);
const LINE_WIDTH = 110;

const HEADER = `// Generated from schemas/ by \`npm run generate\`: change the schema, then run it and release the schema.
import type { ByteText } from '../domain/byte-text.js';

/**
 * The facts a host can state, and nothing but facts: what they mean is decided in \`src/correlate\`. Times are µs since
 * the epoch on the clock of the host that states them.
 *
 * Lists of words are open: they travel as text, so that a new word is no new schema, and a reader can meet words of
 * a later version. Every decision over one needs a branch for "none of these".
 */
`;

const FOOTER = `export type EventKind = keyof EventBodies;

/** One fact with where, when and from which lines. */
export type EventOf<K extends EventKind> = Envelope & { kind: K; body: EventBodies[K] };
export type Event = { [K in EventKind]: EventOf<K> }[EventKind];
`;

export function eventTypesSource(): string {
  const records = readRecords();
  const event = recordNamed(records, 'Event');
  const envelope = { ...event, name: 'Envelope', fields: event.fields.filter((f) => f.name !== 'body') };
  const kinds = kindsOf(event);
  const parts = [HEADER];
  for (const [name, list] of readWordLists()) parts.push(wordListSource(name, list));
  parts.push(recordSource(envelope));
  const written = new Set<string>(['Event']);
  for (const kind of kinds) {
    for (const record of withDependencies(records, kind, written)) parts.push(recordSource(record));
  }
  parts.push(`export interface EventBodies {\n${kinds.map((kind) => `  ${kind}: ${kind};\n`).join('')}}\n`);
  return `${parts.join('\n')}\n${FOOTER}`;
}

/** What travels beside events. */
export function topicRecordTypesSource(): string {
  const records = readRecords();
  const roots = ROOTS.filter((root) => root !== 'Event').map((root) => recordNamed(records, root));
  return `// Generated from schemas/ by \`npm run generate\`: change the schema, then run it and release the schema.
import type { ByteText } from '../domain/byte-text.js';

${roots.map(recordSource).join('\n')}`;
}

/** The released schemas as code, so that reading a record takes no file; without prose, which decides nothing. */
export function releasedSchemaTextsSource(): string {
  return `// Generated from schemas/released/ by \`npm run generate\`.

/** Oldest first. */
export const RELEASED_SCHEMA_TEXTS = {
${ROOTS.map((root) => `  ${root}: [\n${releasesSource(root)}  ],\n`).join('')}} as const;
`;
}

function releasesSource(root: Root): string {
  const entries = readReleased(root).map(({ release, fingerprint, schema }) => {
    const text = JSON.stringify(withoutProse(schema));
    return `    {\n      release: ${release},\n      fingerprint: '${fingerprint}',\n      text: '${text}',\n    },\n`;
  });
  return entries.join('');
}

/** Names of the branches of `body`. */
function kindsOf(event: RecordSchema): string[] {
  const body = event.fields.find((field) => field.name === 'body')?.type;
  if (!Array.isArray(body)) throw new Error('Event.body is no union');
  return body.map((branch) => {
    if (typeof branch !== 'string') throw new Error('a branch of Event.body is no named record');
    return branch;
  });
}

/** A record and the ones it is made of that were not written before, the parts first. */
function withDependencies(
  records: ReadonlyMap<string, RecordSchema>,
  name: string,
  written: Set<string>,
): RecordSchema[] {
  if (written.has(name)) return [];
  written.add(name);
  const record = recordNamed(records, name);
  const parts = record.fields
    .flatMap((field) => namesIn(field.type))
    .filter((part) => records.has(part))
    .flatMap((part) => withDependencies(records, part, written));
  return [...parts, record];
}

function namesIn(type: SchemaType): string[] {
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.flatMap(namesIn);
  return type.type === 'array' ? namesIn(type.items) : [];
}

function wordListSource(name: string, list: WordList): string {
  const words = list.words.map((word) => `\n  | '${word}'`).join('');
  return `${docComment(list.doc, '')}export type ${name} =${words};\n`;
}

function recordSource(record: RecordSchema): string {
  const doc = record.doc === undefined ? '' : docComment(record.doc, '');
  return `${doc}export interface ${record.name} {\n${record.fields.map(fieldSource).join('')}}\n`;
}

function fieldSource(field: FieldSchema): string {
  const doc = field.doc === undefined ? '' : docComment(field.doc, '  ');
  const branches = branchesOf(field.type);
  const line = `  ${field.name}: ${branches.join(' | ')};\n`;
  if (line.length <= LINE_WIDTH + 1) return doc + line;
  return `${doc}  ${field.name}:${branches.map((branch) => `\n    | ${branch}`).join('')};\n`;
}

/** The members of a type's union, one for a plain type; `null` stands last. */
function branchesOf(type: SchemaType): string[] {
  if (Array.isArray(type)) {
    const others = type.filter((branch) => branch !== 'null').flatMap(branchesOf);
    return type.includes('null') ? [...others, 'null'] : others;
  }
  if (typeof type === 'string') return [PRIMITIVES[type] ?? type];
  switch (type.type) {
    case 'array': {
      const items = branchesOf(type.items);
      return [items.length === 1 ? `${items[0]}[]` : `(${items.join(' | ')})[]`];
    }
    case 'bytes':
      if (type.logicalType !== 'byte-text') throw new Error(`unknown logical type ${type.logicalType}`);
      return ['ByteText'];
    case 'string':
      return Array.isArray(type.words) ? type.words.map((word) => `'${word}'`) : [type.words];
    case 'record':
      throw new Error(`${type.name} needs a file of its own`);
  }
}

const PRIMITIVES: Record<string, string> = {
  string: 'string',
  bytes: 'Buffer',
  long: 'number',
  boolean: 'boolean',
};

function docComment(doc: string, indent: string): string {
  const oneLine = `${indent}/** ${doc} */\n`;
  if (!doc.includes('\n') && oneLine.length <= LINE_WIDTH + 1) return oneLine;
  const lines = doc.split('\n').flatMap((paragraph) => wrapped(paragraph, LINE_WIDTH - indent.length - 3));
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join('')}${indent} */\n`;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('event.ts', EVENTS_URL), eventTypesSource());
  writeFileSync(new URL('topic-records.ts', EVENTS_URL), topicRecordTypesSource());
  writeFileSync(new URL('released-schema-texts.ts', EVENTS_URL), releasedSchemaTextsSource());
}
