import { join } from 'node:path';
import {
  type CheckedConfiguration,
  checkConfiguration,
  type LoadedConfiguration,
} from '../../src/config/load.js';
import { whereOf } from '../../src/config/problem.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';

export type Variables = Record<string, string>;

/** Checks this text as if it were the file, and this environment. */
export async function check(
  text: string | Buffer,
  environment: Variables = {},
): Promise<CheckedConfiguration> {
  const directory = temporaryDirectory({ 'config.yaml': text });
  return checkConfiguration({ file: join(directory, 'config.yaml'), environment });
}

export async function load(text: string, environment: Variables = {}): Promise<LoadedConfiguration> {
  const checked = await check(text, environment);
  if (!checked.usable) throw new Error(JSON.stringify(checked.problems));
  return checked.loaded;
}

/** `line 3: log.level: expected …`, for each problem; none when the configuration can be used. */
export async function problemsOf(text: string | Buffer, environment: Variables = {}): Promise<string[]> {
  const checked = await check(text, environment);
  if (checked.usable) return [];
  const withoutFile = (where: string) => where.replace(/^\/\S*config\.yaml(?:, |: |$)/, '');
  return checked.problems.map((problem) =>
    [withoutFile(whereOf(problem)), problem.text].filter((part) => part !== '').join(': '),
  );
}
