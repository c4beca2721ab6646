import { type ConfigurationKey, KEYS } from '../../src/config/keys.js';

/** The tables of docs/reference/configuration.md, one for each section of the file. */
export function referenceTables(): string {
  const sectionOf = ({ path }: ConfigurationKey) => (path.length === 1 ? '' : (path[0] as string));
  const sections = [...new Set(KEYS.map(sectionOf))];
  return sections
    .map((section) => `${headingOf(section)}\n\n${tableOf(KEYS.filter((key) => sectionOf(key) === section))}`)
    .join('\n\n');
}

function headingOf(section: string): string {
  return section === '' ? '### The host' : `### ${section}`;
}

function tableOf(keys: readonly ConfigurationKey[]): string {
  const rows = keys.map((key) => [
    `\`${key.name}\`<br>\`${key.variable}\``,
    key.form,
    defaultOf(key),
    key.facts.reload === 'applied' ? 'applied' : 'restart',
    `${key.facts.about}${key.onlyWith === null ? '' : `; only with \`${key.onlyWith}\``}`,
  ]);
  const head = ['key, variable', 'value', 'default', 'on SIGHUP', 'meaning'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function defaultOf(key: ConfigurationKey): string {
  if (key.facts.defaultText !== undefined) return key.facts.defaultText;
  if (key.isRequired) return 'required';
  return `\`${Array.isArray(key.default) ? '[]' : String(key.default)}\``;
}
