import type { z } from 'zod';
import { printable } from '../domain/byte-text.js';
import { type ConfigurationKey, KEYS, keyNamed, SECTIONS, valueAt } from './keys.js';
import { nearest } from './suggestion.js';

/** What the schema found wrong, said so that whoever wrote the file knows what to change. */
export interface Issue {
  path: readonly string[];
  text: string;
  hint: string | null;
}

/** One issue for each path: a number can be too big and no whole number at once. */
export function issuesOf(error: z.core.$ZodError, input: unknown): Issue[] {
  const byPath = new Map<string, Issue>();
  for (const issue of allIssues(error, input)) {
    const name = issue.path.join('.');
    if (!byPath.has(name)) byPath.set(name, issue);
  }
  return [...byPath.values()];
}

function allIssues(error: z.core.$ZodError, input: unknown): Issue[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((name) => ({ path: [...path, name], ...unknownKey(path, name) }));
    if (issue.code === 'custom' && issue.message !== 'Invalid input')
      return [{ path, text: issue.message, hint: null }];
    return [{ path, ...wrongValue(path, input) }];
  });
}

function unknownKey(section: readonly string[], name: string): Omit<Issue, 'path'> {
  const known = keyNamed([...section, name].join('.'));
  if (known?.onlyWith) return { text: `is a key only with ${known.onlyWith}`, hint: null };
  const meant = meantBy(section, name);
  return {
    text: meant === null ? 'unknown key' : `unknown key; did you mean ${meant}?`,
    hint: 'correct or remove it; docs/reference/configuration.md lists all keys',
  };
}

/** A key or section beside it is likelier meant than one of another section with that name. */
function meantBy(section: readonly string[], name: string): string | null {
  const all = [...SECTIONS, ...KEYS.map((key) => key.name)];
  const prefix = section.map((part) => `${part}.`).join('');
  const beside = all.filter((each) => each.startsWith(prefix) && !each.slice(prefix.length).includes('.'));
  const sibling = nearest(`${prefix}${name}`, beside);
  if (sibling !== null && nearest(name, [sibling.slice(prefix.length)]) !== null) return sibling;
  return all.find((each) => each === name || each.endsWith(`.${name}`)) ?? nearest(`${prefix}${name}`, all);
}

function wrongValue(path: readonly string[], input: unknown): Omit<Issue, 'path'> {
  const value = valueAt(input, path);
  const key = keyOfPath(path);
  if (key?.isSecret)
    return {
      text: 'a secret does not stand in this file',
      hint: `put it into a file that ${key.name}_file names, or into the environment as ${key.variable}`,
    };
  if (key === undefined) return { text: `expected keys below it, not ${inWords(value)}`, hint: null };
  if (value === undefined)
    return { text: `is missing; expected ${key.form}`, hint: `add it to the file, or set ${key.variable}` };
  const expected = key.path.length < path.length ? key.itemForm : key.form;
  return { text: `expected ${expected}, not ${inWords(value)}`, hint: null };
}

/** The key that a path leads to, or into. */
function keyOfPath(path: readonly string[]): ConfigurationKey | undefined {
  return keyNamed(path.join('.')) ?? keyNamed(path.slice(0, -1).join('.'));
}

const SHOWN_MAX = 80;

function inWords(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value))
    return value.length === 1 ? 'a list of one item' : `a list of ${value.length} items`;
  if (typeof value === 'object') return 'a section';
  if (typeof value === 'string') return `the text "${printable(withoutCredentials(value), SHOWN_MAX)}"`;
  return String(value);
}

/** An address may hold a password, which must not be repeated. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/.*@/s, '//[secret]@');
}
