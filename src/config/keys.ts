import { z } from 'zod';
import { KEY_FACTS, type KeyFacts } from './key-facts.js';
import { SCHEMA } from './schema.js';
import { Secret } from './secret.js';

/** One key of the configuration, as messages, the environment and the reference speak of it. */
export interface ConfigurationKey {
  /** `collect.audit.path` */
  name: string;
  path: readonly string[];
  /** `MIGRATION_AUDIT_COLLECT_AUDIT_PATH` */
  variable: string;
  /** what its values look like, in words */
  form: string;
  /** the same of the items of a list */
  itemForm: string | null;
  isRequired: boolean;
  /** of a required key, and of one whose default depends on the host, there is none */
  default: unknown;
  facts: KeyFacts;
  isSecret: boolean;
  /** the value that a text of the environment means; what cannot be read stays text, for the schema to refuse */
  fromText(text: string): unknown;
  /** `store.kind: http` when the key exists only then */
  onlyWith: string | null;
}

/** Every key, in the order of the schema. */
export const KEYS: readonly ConfigurationKey[] = keysBelow(SCHEMA, [], null);

/** Every section, by its name: `collect`, `collect.audit` … */
export const SECTIONS: readonly string[] = [
  ...new Set(KEYS.flatMap(({ path }) => path.slice(1).map((_, index) => path.slice(0, index + 1).join('.')))),
];

const BY_NAME = new Map(KEYS.map((key) => [key.name, key]));

export function keyNamed(name: string): ConfigurationKey | undefined {
  return BY_NAME.get(name);
}

/** The value at the path of a key; undefined where the chosen kind of section has no such key. */
export function valueAt(tree: unknown, path: readonly string[]): unknown {
  let value = tree;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

function keysBelow(
  schema: z.core.$ZodType,
  path: readonly string[],
  onlyWith: string | null,
): ConfigurationKey[] {
  const facts = KEY_FACTS.get(schema);
  if (facts !== undefined) return [keyOf(schema, path, facts, onlyWith)];
  const section = unwrapped(schema);
  if (section instanceof z.ZodObject)
    return Object.entries(section.shape).flatMap(([part, below]) =>
      keysBelow(below as z.core.$ZodType, [...path, part], onlyWith),
    );
  if (section instanceof z.ZodDiscriminatedUnion) return keysOfKinds(section, path);
  throw new Error(`the schema of ${path.join('.')} is neither a section nor registered as a key`);
}

/** The kinds of a section one after the other; keys that all of them have stand once. */
function keysOfKinds(union: z.ZodDiscriminatedUnion, path: readonly string[]): ConfigurationKey[] {
  const chooser = union.def.discriminator;
  const keys = new Map<string, ConfigurationKey>();
  const isOfAll = (key: string) =>
    union.options.every((option) =>
      Object.hasOwn((option as z.ZodObject).shape, key.slice(path.join('.').length + 1)),
    );
  for (const option of union.options) {
    const kind = unwrapped((option as z.ZodObject).shape[chooser] as z.core.$ZodType) as z.ZodLiteral;
    const name = [...path, chooser].join('.');
    const onlyWith = union.options.length > 1 ? `${name}: ${kind.value}` : null;
    for (const key of keysBelow(option, path, onlyWith)) {
      if (!keys.has(key.name)) keys.set(key.name, isOfAll(key.name) ? { ...key, onlyWith: null } : key);
    }
  }
  return [...keys.values()];
}

function keyOf(
  schema: z.core.$ZodType,
  path: readonly string[],
  facts: KeyFacts,
  onlyWith: string | null,
): ConfigurationKey {
  const inner = unwrapped(schema);
  const isNullable = inner instanceof z.ZodNullable;
  const base = (isNullable ? inner.unwrap() : inner) as z.ZodType;
  return {
    name: path.join('.'),
    path,
    variable: `MIGRATION_AUDIT_${path.join('_').toUpperCase()}`,
    form: `${base.description}${isNullable ? ', or `null`' : ''}`,
    itemForm: base instanceof z.ZodArray ? ((base.element as z.ZodType).description ?? null) : null,
    isRequired: schema === inner,
    default: schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined,
    facts,
    isSecret: base instanceof z.ZodCustom,
    fromText: (text) => (isNullable && text === '' ? null : valueOfText(base, text)),
    onlyWith,
  };
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? unwrapped(schema.unwrap())
    : schema;
}

function valueOfText(schema: z.ZodType, text: string): unknown {
  if (schema instanceof z.ZodNumber) return /^-?\d+$/.test(text) ? Number(text) : text;
  if (schema instanceof z.ZodBoolean) return text === 'true' ? true : text === 'false' ? false : text;
  if (schema instanceof z.ZodArray) return text === '' ? [] : text.split(':');
  if (schema instanceof z.ZodCustom) return new Secret(text);
  return text;
}
