import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diffConfiguration } from '../../src/config/diff.js';
import { OTHER_VARIABLES } from '../../src/config/environment.js';
import { KEYS } from '../../src/config/keys.js';
import { DEFAULT_FILE } from '../../src/config/load.js';
import { load } from './loading.js';
import { referenceTables } from './reference.js';

const ROOT = new URL('../../', import.meta.url).pathname;

describe('docs/reference/configuration.md', () => {
  const path = join(ROOT, 'docs/reference/configuration.md');
  const between = /(?<=^<!-- keys -->\n)[\s\S]*(?=^<!-- end of keys -->$)/m;

  it('says of every key what the schema says (GOLDEN_UPDATE=1 writes it)', () => {
    const tables = `\n${referenceTables()}\n\n`;
    if (process.env['GOLDEN_UPDATE'] === '1')
      writeFileSync(
        path,
        readFileSync(path, 'utf8').replace(between, () => tables),
      );
    expect(between.exec(readFileSync(path, 'utf8'))?.[0]).toBe(tables);
  });

  it('names the file and the other variables', () => {
    const text = readFileSync(path, 'utf8');
    for (const name of [DEFAULT_FILE, ...Object.values(OTHER_VARIABLES)])
      expect(text).toContain(`\`${name}\``);
  });
});

describe('the schema', () => {
  it('says enough about each key for a table', () => {
    for (const { name, facts, form, isRequired, default: value } of KEYS) {
      expect(facts.about, name).toMatch(/^[^|\n]{10,}[^.]$/);
      expect(form, name).not.toMatch(/undefined|\|/);
      expect(isRequired || value !== undefined || facts.defaultText !== undefined, name).toBe(true);
    }
  });

  it('has the unit of a number last in its name, unless it counts', () => {
    const numbers = KEYS.filter(({ form }) => form.startsWith('whole number'));
    expect(
      numbers.filter(({ name }) => !/_(?:s|h|max)$|\.(?:port|partitions|replication)$/.test(name)),
    ).toEqual([]);
  });
});

describe('deploy/migration-audit.example.yaml', () => {
  const text = readFileSync(join(ROOT, 'deploy/migration-audit.example.yaml'), 'utf8');
  const other = withOtherChoices(text);

  it('has the default of every key', async () => {
    const [{ configuration }, { configuration: defaults }] = [
      await load(text),
      await load('cluster: example\n'),
    ];
    expect(diffConfiguration(defaults, configuration)).toEqual([]);
  });

  it('has in comments what it does not choose, with the defaults of that, too', async () => {
    const { configuration } = await load(other);
    const required = `cluster: example
host: hosta
event_log: {kind: kafka, brokers: "kafka1.example.org:9093, kafka2.example.org:9093"}
store: {kind: http, url: "https://clickhouse.example.org:8443"}
`;
    expect(diffConfiguration((await load(required)).configuration, configuration)).toEqual([]);
  });

  it('has every key that may stand in a file', async () => {
    const origins = [(await load(text)).origins, (await load(other)).origins];
    const missing = KEYS.filter(({ name }) => origins.every((each) => each.get(name)?.from !== 'file'));
    expect(missing.map(({ name }) => name)).toEqual(
      KEYS.filter(({ isSecret }) => isSecret).map(({ name }) => name),
    );
  });
});

/** Comments that begin without a space, or with the spaces of an indented key, are keys to choose. */
function withOtherChoices(text: string): string {
  return text.replaceAll(/^(?:store|event_log):\n(?: .*\n)+/gm, '').replaceAll(/^#(?=[a-z]| {2})/gm, '');
}
