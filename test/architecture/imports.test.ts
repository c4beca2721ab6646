import { describe, expect, it } from 'vitest';
import { importsOf, layerOf, sourceFiles, target } from './source-tree.js';

/** A layer imports from layers below it and from itself, never from its equals or from above. */
const RANK: Record<string, number> = {
  domain: 0,
  waiting: 0,
  events: 1,
  config: 2,
  telemetry: 2,
  correlate: 3,
  eventlog: 3,
  collect: 4,
  store: 4,
  stream: 5,
  notify: 5,
  serve: 5,
  preflight: 5,
  sim: 5,
  replay: 6,
  commands: 7,
  cli: 8,
};

const IO_FREE = new Set(['domain', 'events', 'correlate']);
const IO_MODULES =
  /^(?:node:)?(?:fs|fs\/promises|net|tls|dgram|dns|http|https|http2|child_process|cluster|worker_threads|timers|readline|process|os)$/;
const CLOCK_OR_CHANCE =
  /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(/;

const files = sourceFiles('src');

describe('imports', () => {
  it('finds every form of import', () => {
    const text = [
      "import a from './a.js';",
      "import type { B,\n  C } from './b.js';",
      "export * from './c.js';",
      "import './d.js';",
      "const e = await import('./e.js');",
      "// import x from './no.js';",
    ].join('\n');
    expect(importsOf(text)).toEqual(['./a.js', './b.js', './c.js', './d.js', './e.js']);
  });

  it('come from known layers only', () => {
    expect(files.filter((file) => !(layerOf(file.path) in RANK)).map((file) => file.path)).toEqual([]);
  });

  it('point downwards', () => {
    const upward = files.flatMap((file) =>
      file.imports.flatMap((imported) => {
        const path = target(file, imported);
        if (path === null) return [];
        const from = layerOf(file.path);
        const to = layerOf(path);
        return from === to || (RANK[to] ?? 99) < (RANK[from] ?? -1) ? [] : [`${file.path} imports ${path}`];
      }),
    );
    expect(upward).toEqual([]);
  });

  it('stay inside src', () => {
    const outside = files.flatMap((file) =>
      file.imports.filter((imported) => target(file, imported)?.startsWith('src/') === false),
    );
    expect(outside).toEqual([]);
  });

  it('bring no input or output into domain, events and correlate', () => {
    const impure = files
      .filter((file) => IO_FREE.has(layerOf(file.path)))
      .flatMap((file) =>
        file.imports.filter((name) => IO_MODULES.test(name)).map((name) => `${file.path} imports ${name}`),
      );
    expect(impure).toEqual([]);
  });
});

describe('domain, events and correlate', () => {
  it('know no clock, no timer and no chance', () => {
    const impure = files.filter((file) => IO_FREE.has(layerOf(file.path)) && CLOCK_OR_CHANCE.test(file.text));
    expect(impure.map((file) => file.path)).toEqual([]);
  });
});

describe('files', () => {
  it('are at most 500 lines long', () => {
    const long = sourceFiles('src', 'test').filter((file) => file.text.split('\n').length > 500);
    expect(long.map((file) => file.path)).toEqual([]);
  });
});
