import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the architecture tests look at: the source files and what each of them imports. */

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** from the repository's root, with slashes */
  path: string;
  text: string;
  /** as written: `../domain/label.js`, `node:fs` */
  imports: string[];
}

const IMPORT =
  /(?:^|[;}\s])(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(.+?)\1|\bimport\s*\(\s*(['"])(.+?)\3|^\s*import\s*(['"])(.+?)\5/gm;

export function importsOf(text: string): string[] {
  const withoutComments = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return [...withoutComments.matchAll(IMPORT)].map((match) => (match[2] ?? match[4] ?? match[6]) as string);
}

export function sourceFiles(...folders: string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => {
        const file = join(entry.parentPath, entry.name);
        const text = readFileSync(file, 'utf8');
        return { path: relative(ROOT, file).split(sep).join('/'), text, imports: importsOf(text) };
      }),
  );
}

/** The file in the repository that a relative import means, without its extension; null for packages. */
export function target(file: SourceFile, imported: string): string | null {
  if (!imported.startsWith('.')) return null;
  return join(dirname(file.path), imported).split(sep).join('/').replace(/\.js$/, '');
}

/** `src/collect/audit/reader.ts` -> `collect`; `src/cli.ts` -> `cli`. */
export function layerOf(path: string): string {
  const [, part = ''] = path.split('/');
  return part.replace(/\.(ts|js)$/, '');
}
