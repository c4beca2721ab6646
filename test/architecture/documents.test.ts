import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/domain/errors.js';
import type { FindingReport, RelabelReport, Report } from '../../src/domain/report.js';
import { CAUSES, PROOFS, REASONS } from '../../src/domain/verdict.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { replay } from '../../src/replay/replay.js';
import { reportJsonSchema } from '../../src/replay/report-schema.js';
import { runCommand } from '../commands/run-command.js';
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

  it('shows what the shipped incident gives', async () => {
    const [, shown = ''] = /^```text\n([\s\S]*?)^```$/m.exec(read('README.md')) ?? [];
    const { out } = await runCommand(['replay', join(ROOT, 'examples/s4-mismatch-fail')]);
    for (const part of shown.split(/^…$/m)) expect(out).toContain(part.trim());
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

describe('docs/reference/verdicts.md', () => {
  const text = read('docs/reference/verdicts.md');

  it.each([
    ['Verdicts', ['violation', 'clean', 'undetermined']],
    ['Reasons', Object.keys(REASONS)],
    ['Proofs', Object.keys(PROOFS)],
    ['Causes', [...CAUSES]],
  ])('has one section for each of the %s of the code, in its order', (chapter, words) => {
    const body = text.split(/^## /m).find((candidate) => candidate.startsWith(`${chapter}\n`)) ?? '';
    expect([...body.matchAll(/^### (.+)$/gm)].map((match) => match[1])).toEqual(words);
  });

  const examples = [...text.matchAll(/^```text (\S+)(?: without (.+))?\n([\s\S]*?)^```$/gm)].map(
    ([, capture = '', without = '', body = '']) => ({ capture, without, body }),
  );

  it('has examples', () => expect(examples.length).toBeGreaterThan(20));

  it.each(examples)(
    'quotes what $capture without [$without] holds and gives',
    async ({ capture, without, body }) => {
      const omitted = new Set(without.split(' '));
      const report = await reportOn(capture, omitted);
      const printed = [...report.relabels.map(relabelLine), ...report.findings.map(findingLine)];
      for (const line of body.trimEnd().split('\n')) {
        if (line.startsWith('=> ')) expect(printed).toContain(line.slice('=> '.length));
        else expect(isLogged(capture, omitted, line), line).toBe(true);
      }
    },
  );
});

/** The report on a capture of which hosts, or files of every host, were left out. */
async function reportOn(capture: string, omitted: ReadonlySet<string>): Promise<Report> {
  const isLeft = (path: string) => !omitted.has(basename(path));
  const { hosts } = await sourcesOfCapture(join(CAPTURES, capture));
  const left = hosts
    .filter(({ host }) => !omitted.has(host))
    .map((host) => ({
      ...host,
      streams: host.streams
        .map((stream) => ({ ...stream, files: stream.files.filter(isLeft) }))
        .filter(({ files }) => files.length > 0),
      snapshots: host.snapshots.filter(({ path }) => isLeft(path)),
    }));
  return (await replay({ hosts: left, ignored: [] }, { cluster: 'documents' })).report;
}

const CAPTURES = join(ROOT, 'test/golden/captures');

/** What the first jq filter of the page prints. */
function relabelLine(relabel: RelabelReport): string {
  const { host, serial, call, image, verdict, reason, owner, proof, missing } = relabel;
  const head = `${host} ${serial} ${call} ${image.path}: ${verdict}, ${reason}, owner ${owner}`;
  return [head, ...proof, ...missing.map(({ what }) => `missing ${what}`)].join(', ');
}

/** What the second jq filter of the page prints. */
function findingLine({ host, cause, verdict, severity, impact }: FindingReport): string {
  return `${host} ${cause}: ${verdict}, ${severity}, access ${impact.access}, ${impact.io_errors} I/O errors`;
}

/** `hosta: some … line`: is there such a line in a file of that host, `…` standing for anything? */
function isLogged(capture: string, omitted: ReadonlySet<string>, quoted: string): boolean {
  const [, host = '', line = ''] = /^(\w+): (.+)$/.exec(quoted) ?? [];
  if (omitted.has(host)) return false;
  const pattern = new RegExp(line.split('…').map(literally).join('.*'));
  const directory = join(CAPTURES, capture, host);
  const texts = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'latin1'));
  return texts.some((each) => each.split('\n').some((logged) => pattern.test(logged)));
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

describe('documents', () => {
  const documents = ['README.md', ...markdownIn('docs')];

  it.each(documents)('%s links to what there is', (document) => {
    const links = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
    const dangling = links.filter((link) => !/^https?:/.test(link) && !leadsSomewhere(document, link));
    expect(dangling).toEqual([]);
  });
});

function markdownIn(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));
}

function leadsSomewhere(document: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : join(dirname(document), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchorsOf(read(target)).includes(anchor);
}

/** Headings as GitHub names them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}
