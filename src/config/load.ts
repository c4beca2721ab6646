import { isUtf8 } from 'node:buffer';
import { access } from 'node:fs/promises';
import type { MigrationAuditError } from '../domain/errors.js';
import { readSmallFile } from './bounded-file.js';
import { type Environment, OTHER_VARIABLES, type Override, overridesOf } from './environment.js';
import { issuesOf } from './issues.js';
import { KEYS, SECTIONS, valueAt } from './keys.js';
import { errorOf, type Problem } from './problem.js';
import { type Configuration, SCHEMA } from './schema.js';
import { withPasswords } from './secret-file.js';
import { warningsOf } from './warnings.js';
import { type Section, type YamlTree, yamlTreeOf } from './yaml-tree.js';

export const DEFAULT_FILE = '/etc/migration-audit/config.yaml';

const FILE_BYTES_MAX = 64 * 1024;

export interface ConfigurationSources {
  /** named by `--config`; otherwise MIGRATION_AUDIT_CONFIG names it, or it is the default file if there is one */
  file?: string | undefined;
  environment: Environment;
}

/** Where the value of a key came from. */
export type KeyOrigin =
  | { from: 'default' }
  | { from: 'file'; line: number }
  | { from: 'environment'; variable: string };

export interface LoadedConfiguration {
  /** the file that was read; null when there is none and all comes from the environment */
  file: string | null;
  configuration: Configuration;
  origins: ReadonlyMap<string, KeyOrigin>;
  /** what can be used and should still be looked at */
  warnings: readonly string[];
}

export type CheckedConfiguration =
  | { usable: true; loaded: LoadedConfiguration }
  | { usable: false; file: string | null; problems: readonly [Problem, ...Problem[]] };

/** @throws MigrationAuditError MA_CONFIG for the first thing that is wrong; the hint says how to see the others */
export async function loadConfiguration(sources: ConfigurationSources): Promise<LoadedConfiguration> {
  const checked = await checkConfiguration(sources);
  if (checked.usable) return checked.loaded;
  const [first, ...others] = checked.problems;
  throw errorOf(others.length === 0 ? first : { ...first, hint: hintWith(errorOf(first), others.length) });
}

function hintWith({ hint }: MigrationAuditError, others: number): string {
  return `${hint}; ${others} more of this kind: see migration-audit config check`;
}

/** Reads and checks all of it, and tells everything that is wrong at once. */
export async function checkConfiguration({
  file,
  environment,
}: ConfigurationSources): Promise<CheckedConfiguration> {
  const path = file ?? (environment[OTHER_VARIABLES.file] || (await defaultFile()));
  const text = path === null ? '' : await textOf(path);
  if (typeof text !== 'string') return { usable: false, file: path, problems: [text] };
  const tree = yamlTreeOf(text);
  const faults = tree.faults.map(
    (fault): Problem => ({
      key: fault.path.join('.') || null,
      variable: null,
      file: path,
      line: fault.line,
      text: fault.text,
      hint: fault.hint ?? null,
    }),
  );
  if (isNotEmpty(faults)) return { usable: false, file: path, problems: faults };
  return checkTree(path, tree, overridesOf(environment));
}

async function defaultFile(): Promise<string | null> {
  return access(DEFAULT_FILE).then(
    () => DEFAULT_FILE,
    (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? null : DEFAULT_FILE),
  );
}

async function textOf(path: string): Promise<string | Problem> {
  const found = await readSmallFile(path, FILE_BYTES_MAX);
  const about = { key: null, variable: null, file: path, line: null, hint: null };
  if (typeof found === 'string')
    return { ...about, text: found, hint: 'name the file with --config; deploy/ has an example of one' };
  if (!isUtf8(found.bytes)) return { ...about, text: 'is not UTF-8 text' };
  return found.bytes.toString('utf8');
}

async function checkTree(
  file: string | null,
  { root, lines }: YamlTree,
  { overrides, problems }: ReturnType<typeof overridesOf>,
): Promise<CheckedConfiguration> {
  const variables = applyOverrides(root, overrides);
  const place = (path: readonly string[]): Omit<Problem, 'text' | 'hint'> => {
    const key = path.join('.');
    const variable = variables.get(key) ?? variables.get(path.slice(0, -1).join('.')) ?? null;
    return { key, variable, file, line: variable === null ? (lines.get(key) ?? null) : null };
  };
  const parsed = SCHEMA.safeParse(root);
  const issues = parsed.success ? [] : issuesOf(parsed.error, root);
  const found = [...problems, ...issues.map(({ path, ...said }) => ({ ...place(path), ...said }))];
  if (!parsed.success || isNotEmpty(found)) return { usable: false, file, problems: found as [Problem] };

  const secrets = await withPasswords(parsed.data);
  if ('section' in secrets) {
    const problem = { ...place([...secrets.section, 'password_file']), text: secrets.text, hint: null };
    return { usable: false, file, problems: [problem] };
  }
  const configuration: Configuration = deepFreeze(secrets.configuration);
  const origins = originsOf(root, lines, variables);
  for (const section of secrets.fromFiles) {
    const name = section.join('.');
    origins.set(`${name}.password`, origins.get(`${name}.password_file`) as KeyOrigin);
  }
  const warnings = [...secrets.warnings, ...warningsOf(configuration)];
  return { usable: true, loaded: { file, configuration, origins, warnings } };
}

function isNotEmpty<T>(list: T[]): list is [T, ...T[]] {
  return list.length > 0;
}

/** Writes into the tree what the environment says; returns the variable for each key that it gave. */
function applyOverrides(root: Section, overrides: readonly Override[]): Map<string, string> {
  for (const section of SECTIONS) emptyIfBare(root, section.split('.'));
  const variables = new Map<string, string>();
  for (const { key, value } of overrides) {
    const section = sectionFor(root, key.path.slice(0, -1));
    if (section === null) continue; // something else stands in its place, which the schema refuses
    section[key.path.at(-1) as string] = value;
    variables.set(key.name, key.variable);
  }
  return variables;
}

/** A section of which every line is commented out is empty, not null. */
function emptyIfBare(root: Section, path: readonly string[]): void {
  const above = valueAt(root, path.slice(0, -1));
  const name = path.at(-1) as string;
  if (valueAt(root, path) === null) (above as Section)[name] = {};
}

function sectionFor(root: Section, path: readonly string[]): Section | null {
  let section = root;
  for (const part of path) {
    if (!Object.hasOwn(section, part)) section[part] = {};
    const below = section[part];
    if (typeof below !== 'object' || below === null || Array.isArray(below)) return null;
    section = below as Section;
  }
  return section;
}

function originsOf(
  root: Section,
  lines: ReadonlyMap<string, number>,
  variables: ReadonlyMap<string, string>,
): Map<string, KeyOrigin> {
  const origins = new Map<string, KeyOrigin>();
  for (const { name, path } of KEYS) {
    const variable = variables.get(name);
    const line = lines.get(name);
    if (variable !== undefined) origins.set(name, { from: 'environment', variable });
    else if (line !== undefined && valueAt(root, path) !== undefined)
      origins.set(name, { from: 'file', line });
    else origins.set(name, { from: 'default' });
  }
  return origins;
}

/** Secrets have no properties of their own, so that freezing them changes nothing. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
