import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { byteTextFrom, printable } from '../../domain/byte-text.js';
import { MigrationAuditError } from '../../domain/errors.js';

/** libvirt follows at most 200 layers of backing files, each an element inside the last. */
const MAX_NESTED_ELEMENTS = 512;

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  alwaysCreateTextNode: true,
  isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
  ignoreDeclaration: true,
  ignorePiTags: true,
  htmlEntities: true,
  maxNestedTags: MAX_NESTED_ELEMENTS,
  // Whatever management software keeps there is none of ours, and may have any names.
  stopNodes: ['domain.metadata'],
});

/** An element: children by name, in order; `@name` for attributes, `#text` for text. */
export class XmlElement {
  private readonly node: Record<string, unknown>;

  constructor(node: Record<string, unknown>) {
    this.node = node;
  }

  children(name: string): XmlElement[] {
    const found = Object.hasOwn(this.node, name) ? this.node[name] : [];
    return Array.isArray(found) ? found.map((node) => new XmlElement(node as Record<string, unknown>)) : [];
  }

  child(name: string): XmlElement | null {
    return this.children(name)[0] ?? null;
  }

  attribute(name: string): string | null {
    return this.text(`@${name}`);
  }

  /** null when there is none */
  get content(): string | null {
    return this.text('#text');
  }

  private text(key: string): string | null {
    const value = Object.hasOwn(this.node, key) ? this.node[key] : null;
    return typeof value === 'string' && value !== '' ? value : null;
  }
}

/**
 * @param root name that the outermost element must have
 * @param where for the error
 * @throws MigrationAuditError MA_UNREADABLE
 */
export function parseXml(bytes: Buffer, root: string, where: string): XmlElement {
  const text = byteTextFrom(bytes);
  // libvirt writes no document type; without one, no entity can be declared and none can explode.
  if (/<!DOCTYPE/i.test(text)) throw unreadable(where, 'it has a document type, which libvirt never writes');
  const top = parseWellFormed(text, where);
  const [element, ...more] = new XmlElement(top).children(root);
  if (!element) throw unreadable(where, `it is no <${root}> of libvirt`);
  // The validator lets other elements, or text, follow a root that is closed in its own tag.
  const followed = more.length > 0 || Object.keys(top).some((name) => name !== root && name !== '#text');
  if (followed || !text.trimEnd().endsWith('>'))
    throw unreadable(where, 'damaged XML: extra text at the end');
  return element;
}

function parseWellFormed(text: string, where: string): Record<string, unknown> {
  const verdict = XMLValidator.validate(text);
  if (verdict !== true) {
    throw unreadable(`${where}:${verdict.err.line}`, `damaged XML: ${printable(verdict.err.msg, 200)}`);
  }
  try {
    return parser.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw unreadable(where, `damaged XML: ${printable((cause as Error).message, 200)}`, cause);
  }
}

function unreadable(where: string, detail: string, cause?: unknown): MigrationAuditError {
  return new MigrationAuditError('MA_UNREADABLE', where, detail, { cause });
}
