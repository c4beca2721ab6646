import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import type { Export } from '../../events/event.js';
import type { ReadFacts } from './snapshot.js';
import { unescapeOctal } from './text.js';

/**
 * Paths and defaults stand once in the file but again in the facts of each client: all of them together must still
 * fit into an event. Characters.
 */
const MAX_TEXT = 4 * 1024 * 1024;

/**
 * /etc/exports (exports(5)), /var/lib/nfs/etab and `exportfs -v`. One `Export` for each path and client, with
 * `options` as written: `10.77.0.0/24(rw,sync,no_root_squash)`, after the path's own defaults (`-sync,rw`) if it
 * has any. `exportfs -v` puts the client of a long path on the next line, indented.
 */
export function readExports(bytes: Buffer): ReadFacts {
  const exports: Export[] = [];
  const unread: ByteText[] = [];
  let lastPath: ByteText | null = null;
  let textLeft = MAX_TEXT;
  const add = (line: ByteText, path: ByteText, words: readonly ByteText[]) => {
    textLeft -= textLength(path, words);
    if (textLeft >= 0) exports.push(...clientsOf(path, words));
    else unread.push(line);
  };
  for (const line of logicalLines(byteTextFrom(bytes))) {
    const words = splitWords(line);
    if (words.length === 0) continue;
    const [first, ...rest] = words as [ByteText, ...ByteText[]];
    if (first.startsWith('/')) {
      lastPath = first;
      add(line, first, rest);
    } else if (/^[ \t]/.test(line) && lastPath !== null) {
      // The path alone had been taken for one without clients.
      if (exports.at(-1)?.path === lastPath && exports.at(-1)?.options === '') exports.pop();
      add(line, lastPath, words);
    } else {
      unread.push(line);
    }
  }
  return { facts: { exports }, unread };
}

/** Length of all texts that `clientsOf` is going to make. */
function textLength(path: ByteText, words: readonly ByteText[]): number {
  const ofClients = words.reduce((sum, word) => sum + word.length, 0);
  const defaults = words.find((word) => word.startsWith('-'));
  return ofClients + Math.max(1, words.length) * (path.length + (defaults?.length ?? 0));
}

function clientsOf(path: ByteText, words: readonly ByteText[]): Export[] {
  const defaults = words.find((word) => word.startsWith('-'));
  const clients = words.filter((word) => !word.startsWith('-'));
  if (clients.length === 0) return [{ path, options: defaults ?? '' }];
  return clients.map((client) => ({
    path,
    options: defaults === undefined ? client : `${defaults} ${client}`,
  }));
}

/** Lines with `\` at the end joined with the next. */
function logicalLines(text: ByteText): ByteText[] {
  return text.replaceAll('\r\n', '\n').replaceAll('\\\n', ' ').split('\n');
}

/** Words between blanks up to a comment; `"…"` holds blanks and `#`, `\040` is an octal byte. */
function splitWords(line: ByteText): ByteText[] {
  const words: ByteText[] = [];
  let word: ByteText | null = null;
  for (const [piece] of line.matchAll(/"[^"]*"?|[^\s"#]+|\s+|#/g)) {
    if (piece === '#') break;
    if (/^\s/.test(piece)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + piece.replaceAll('"', '');
    }
  }
  if (word !== null) words.push(word);
  return words.map(unescapeOctal);
}
