import { describe, expect, it } from 'vitest';
import { incompatibilities, unreadable } from '../../scripts/schema-compatibility.js';
import {
  type FieldSchema,
  type RecordSchema,
  ROOTS,
  readReleased,
  type SchemaType,
} from '../../scripts/schema-source.js';

/** What a registry with BACKWARD_TRANSITIVE would ask of the schemas, and more: older readers of the kinds they know. */
describe('released schemas', () => {
  it.each(ROOTS)('of %s are compatible with all before them', (root) => {
    const schemas = readReleased(root).map(({ schema }) => schema);
    for (const [index, schema] of schemas.entries())
      expect(incompatibilities(root, schema, schemas.slice(0, index))).toEqual([]);
  });

  it('of events are not compatible forwards where a kind was added: no registry may be asked for that', () => {
    const [first, second] = readReleased('Event').map(({ schema }) => schema) as [RecordSchema, RecordSchema];
    expect(unreadable(second, first)).toBeNull();
    expect(unreadable(first, second)).not.toBeNull();
  });
});

describe('a change of the newest schema of events', () => {
  const released = readReleased('Event').map(({ schema }) => schema);
  const newest = released.at(-1) as RecordSchema;
  const refused = (changed: RecordSchema) => incompatibilities('Event', changed, released);
  const withFields = (change: (fields: FieldSchema[]) => FieldSchema[]): RecordSchema => ({
    ...newest,
    fields: change(newest.fields),
  });
  const changedKind = (name: string, change: (kind: RecordSchema) => RecordSchema): RecordSchema =>
    withFields((fields) =>
      fields.map((field) => {
        if (!Array.isArray(field.type) || field.name !== 'body') return field;
        const type = field.type.map((kind): SchemaType => {
          const record = kind as RecordSchema;
          return record.name === name ? change(record) : kind;
        });
        return { ...field, type };
      }),
    );

  it('is allowed where there is none, or a field with a default, or a new kind', () => {
    expect(refused(newest)).toEqual([]);
    const added: FieldSchema = { name: 'added', type: ['null', 'long'], default: null };
    expect(refused(withFields((fields) => [...fields, added]))).toEqual([]);
    const kind: RecordSchema = {
      type: 'record',
      name: 'Invented',
      fields: [{ name: 'what', type: 'string' }],
    };
    const more = withFields((fields) =>
      fields.map((field) =>
        field.name === 'body' ? { ...field, type: [...(field.type as SchemaType[]), kind] } : field,
      ),
    );
    expect(refused(more)).toEqual([]);
  });

  it.each<[string, RecordSchema]>([
    ['a field without a default', withFields((fields) => [...fields, { name: 'added', type: 'long' }])],
    ['a field that is gone', withFields((fields) => fields.filter(({ name }) => name !== 'sequence'))],
    [
      'a field of another type',
      withFields((fields) =>
        fields.map((field) => (field.name === 'witness' ? { ...field, type: 'long' } : field)),
      ),
    ],
    [
      'a field that may be null now',
      withFields((fields) =>
        fields.map((field) => (field.name === 'host' ? { ...field, type: ['null', 'string'] } : field)),
      ),
    ],
    [
      'a kind that is gone',
      withFields((fields) =>
        fields.map((field) =>
          field.name === 'body' ? { ...field, type: (field.type as SchemaType[]).slice(0, -1) } : field,
        ),
      ),
    ],
    ['a kind with another name', changedKind('GapDetected', (kind) => ({ ...kind, name: 'GapSeen' }))],
    [
      'a field of a kind that has no default',
      changedKind('GapDetected', (kind) => ({
        ...kind,
        fields: [...kind.fields, { name: 'added', type: 'string' }],
      })),
    ],
  ])('is refused: %s', (_, changed) => {
    expect(refused(changed)).not.toEqual([]);
  });
});
