import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Files to write, by path below the directory. */
export type Tree = Record<string, string | Buffer>;

/** A directory with these files, removed when the test ends. */
export function temporaryDirectory(tree: Tree = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'migration-audit-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}
