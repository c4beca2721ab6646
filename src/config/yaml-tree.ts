import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  Parser,
  type YAMLMap,
} from 'yaml';

/** YAML with no more of the language than a configuration needs: maps, lists and plain values, each written once. */

export type Section = { [key: string]: unknown };

export interface YamlTree {
  root: Section;
  /** line of each key and list item, by its path: `collect.audit.path`, `storage.shared_paths.0` */
  lines: ReadonlyMap<string, number>;
  faults: YamlFault[];
}

export interface YamlFault {
  path: readonly string[];
  line: number;
  text: string;
  hint?: string;
}

/** The deepest key is at the third level. The composer calls itself level by level, so depth is bounded before. */
const DEPTH_MAX = 16;

export function yamlTreeOf(text: string): YamlTree {
  const counter = new LineCounter();
  const tokens = [...new Parser(counter.addNewLine).parse(text)];
  const tooDeep = firstBelow(tokens, DEPTH_MAX);
  if (tooDeep !== null)
    return {
      root: {},
      lines: new Map(),
      faults: [
        {
          path: [],
          line: counter.linePos(tooDeep).line,
          text: `is nested more than ${DEPTH_MAX} levels deep`,
        },
      ],
    };
  return new TreeBuilder(counter).build(tokens, text.length);
}

/** Offset of a token below the given depth, found without calling itself; null when there is none. */
function firstBelow(tokens: readonly CST.Token[], depth: number): number | null {
  let level: CST.Token[] = [...tokens];
  // two levels of tokens for one of the document: a collection and its item's value
  for (let passed = 0; level.length > 0; passed++) {
    if (passed > depth) return level[0]?.offset ?? 0;
    level = level.flatMap(tokensWithin);
  }
  return null;
}

function tokensWithin(token: CST.Token): CST.Token[] {
  const own = token.type === 'document' ? [token.value] : [];
  const items = 'items' in token ? token.items.flatMap((item) => [item.key, item.value]) : [];
  return [...own, ...items].filter((each) => each !== undefined && each !== null);
}

class TreeBuilder {
  readonly #counter: LineCounter;
  readonly #lines = new Map<string, number>();
  readonly #faults: YamlFault[] = [];

  constructor(counter: LineCounter) {
    this.#counter = counter;
  }

  build(tokens: CST.Token[], length: number): YamlTree {
    const composer = new Composer({ schema: 'core', version: '1.2', stringKeys: true, uniqueKeys: false });
    const [document, ...others] = composer.compose(tokens, true, length);
    const root = document === undefined ? {} : this.#rootOf(document);
    if (others[0] !== undefined)
      this.#fault([], others[0].range[0], 'holds more than one document', 'leave out all after the line ---');
    return { root, lines: this.#lines, faults: this.#faults };
  }

  #rootOf(document: Document.Parsed): Section {
    for (const { message, pos } of [...document.errors, ...document.warnings])
      this.#fault([], pos[0], `is not YAML as it is read here: ${message}`);
    const { contents } = document;
    if (document.errors.length > 0 || contents === null) return {};
    if (isMap(contents)) return this.#sectionOf(contents as YAMLMap.Parsed, []);
    if (isScalar(contents) && contents.value === null) return {};
    this.#fault([], contents.range[0], 'does not hold sections and keys', 'write it as `key: value` lines');
    return {};
  }

  #sectionOf(map: YAMLMap.Parsed, path: readonly string[]): Section {
    const section: Section = {};
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const below = [...path, name];
      const offset = key.range[0];
      if (Object.hasOwn(section, name)) {
        const first = this.#lines.get(below.join('.'));
        this.#fault(below, offset, `stands twice, first in line ${first}`, 'leave out one of the two');
        continue;
      }
      this.#lines.set(below.join('.'), this.#lineOf(offset));
      // not by assignment: a key can be called __proto__
      Object.defineProperty(section, name, {
        value: value === null ? null : this.#valueOf(value, below),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
    return section;
  }

  #valueOf(node: ParsedNode, path: readonly string[]): unknown {
    if (isMap(node)) return this.#sectionOf(node as YAMLMap.Parsed, path);
    if (isSeq(node))
      return (node.items as ParsedNode[]).map((item, index) => {
        const below = [...path, String(index)];
        this.#lines.set(below.join('.'), this.#lineOf(item.range[0]));
        return this.#valueOf(item, below);
      });
    if (isAlias(node)) {
      this.#fault(path, node.range[0], 'is an alias', 'write the value itself');
      return null;
    }
    return node.value;
  }

  #fault(path: readonly string[], offset: number, text: string, hint?: string): void {
    this.#faults.push({ path, line: this.#lineOf(offset), text, ...(hint !== undefined && { hint }) });
  }

  #lineOf(offset: number): number {
    return this.#counter.linePos(offset).line;
  }
}
