import { KEYS, keyNamed, valueAt } from './keys.js';
import type { Configuration } from './schema.js';
import { Secret } from './secret.js';

export interface ConfigurationChange {
  key: string;
  from: unknown;
  to: unknown;
  /** the running process cannot take it over */
  needsRestart: boolean;
}

/** What a new reading of the configuration says otherwise, in the order of the reference. Secrets stay hidden. */
export function diffConfiguration(old: Configuration, now: Configuration): ConfigurationChange[] {
  return KEYS.flatMap(({ name, path, facts }) => {
    const [from, to] = [valueAt(old, path), valueAt(now, path)];
    return isSame(from, to) ? [] : [{ key: name, from, to, needsRestart: facts.reload === 'restart' }];
  });
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.equals(b);
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * The configuration that a process goes on with on SIGHUP: the new value of every key that it can take over, the old
 * one of all others, so that they go on to be told as changed until it starts anew.
 */
export function takenOver(old: Configuration, now: Configuration): Configuration {
  return merged(old, now, []) as Configuration;
}

function merged(old: unknown, now: unknown, path: readonly string[]): unknown {
  const key = keyNamed(path.join('.'));
  if (key !== undefined) return key.facts.reload === 'applied' && now !== undefined ? now : old;
  const parts = Object.entries(old as Section).map(([part, value]) => [
    part,
    merged(value, valueAt(now, [part]), [...path, part]),
  ]);
  return Object.freeze(Object.fromEntries(parts));
}

type Section = Readonly<Record<string, unknown>>;
