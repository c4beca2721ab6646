import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/domain/errors.js';
import { reportJsonSchema } from '../../src/replay/report-schema.js';
import { ROOT } from './source-tree.js';

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

describe('README.md', () => {
  const shellBlocks = [...read('README.md').matchAll(/```(?:sh|shell|bash|console)\n([\s\S]*?)```/g)].map(
    (match) => match[1]?.trim(),
  );

  it('begins with the command that shows it and the command that tests it', () => {
    expect(shellBlocks.slice(0, 2)).toEqual(['npm ci && npm run demo', 'npm ci && npm test']);
  });

  it('has the test command that .ci/run ends with', () => {
    expect(read('.ci/run').trim().split('\n').at(-1)).toBe(shellBlocks[1]);
  });
});

describe('docs/reference/errors.md', () => {
  const text = read('docs/reference/errors.md');
  const sections = text.split(/^## /m).slice(1);

  it('has one section for each error code, and no other', () => {
    const codes = sections.map((section) => section.split('\n', 1)[0]);
    expect(codes.sort()).toEqual(Object.keys(ERRORS).sort());
  });

  it.each(Object.entries(ERRORS))('states the exit code and the words of %s', (code, { exit, what }) => {
    const section = sections.find((candidate) => candidate.startsWith(`${code}\n`)) ?? '';
    expect(section).toContain(`Exit code ${exit}`);
    expect(section).toContain(what);
  });
});

describe('docs/reference/replay.schema.json', () => {
  const path = 'docs/reference/replay.schema.json';

  it('is the schema of the code (GOLDEN_UPDATE=1 writes it)', () => {
    const schema = reportJsonSchema();
    if (process.env['GOLDEN_UPDATE'] === '1')
      writeFileSync(join(ROOT, path), JSON.stringify(schema, null, 2));
    expect(JSON.parse(read(path))).toEqual(schema);
  });
});

describe('docs/reference/events.md', () => {
  it('has one section for each kind of event', () => {
    const source = read('src/events/event.ts');
    const body = /export interface EventBodies \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? '';
    const kinds = [...body.matchAll(/^\s*(\w+):/gm)].map((match) => match[1]);
    const sections = [...read('docs/reference/events.md').matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
    expect(kinds.length).toBeGreaterThan(10);
    expect(sections.sort()).toEqual(kinds.sort());
  });
});
