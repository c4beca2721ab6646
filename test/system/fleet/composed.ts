import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from '../../architecture/source-tree.js';

type Services = Record<string, { environment: Record<string, string> }>;

/**
 * What docker-compose.yml gives a service as its environment.
 *
 * @param given what stands in `.env`
 * @param hosts where to find what the containers call by these names and ports
 */
export function composedEnvironment(
  service: string,
  given: Record<string, string>,
  hosts: Record<string, string>,
): Record<string, string> {
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  const { services } = parse(text, { merge: true }) as { services: Services };
  const environment = Object.entries(services[service]?.environment ?? {});
  return Object.fromEntries(environment.map(([name, value]) => [name, filledIn(value, given, hosts)]));
}

function filledIn(text: string, given: Record<string, string>, hosts: Record<string, string>): string {
  const filled = text.replaceAll(/\$\{(\w+)[^}]*\}/g, (_, name: string) => given[name] ?? '');
  return Object.entries(hosts).reduce((said, [name, place]) => said.replace(name, place), filled);
}
