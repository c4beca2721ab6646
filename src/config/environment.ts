import { type ConfigurationKey, KEYS } from './keys.js';
import type { Problem } from './problem.js';
import { nearest } from './suggestion.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'MIGRATION_AUDIT_';

/** Names with the prefix that are no keys of the configuration. */
export const OTHER_VARIABLES = { file: 'MIGRATION_AUDIT_CONFIG', debug: 'MIGRATION_AUDIT_DEBUG' } as const;

export interface Override {
  key: ConfigurationKey;
  value: unknown;
}

const BY_VARIABLE = new Map(KEYS.map((key) => [key.variable, key]));

/** What the environment says against the file; names that mean no key are refused, as they are in the file. */
export function overridesOf(environment: Environment): { overrides: Override[]; problems: Problem[] } {
  const overrides: Override[] = [];
  const problems: Problem[] = [];
  const others: readonly string[] = Object.values(OTHER_VARIABLES);
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || text === undefined || others.includes(variable)) continue;
    const key = BY_VARIABLE.get(variable);
    if (key === undefined) problems.push(unknownVariable(variable));
    else overrides.push({ key, value: key.fromText(text) });
  }
  return { overrides, problems };
}

function unknownVariable(variable: string): Problem {
  const meant = nearest(variable, BY_VARIABLE.keys());
  return {
    key: null,
    variable,
    file: null,
    line: null,
    text: meant === null ? 'names no key' : `names no key; did you mean ${meant}?`,
    hint: 'correct the name or unset it; docs/reference/configuration.md lists all of them',
  };
}
