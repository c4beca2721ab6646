import { BlockList, isIPv6 } from 'node:net';
import type { Configuration } from './schema.js';

/** What is allowed, and has consequences that whoever configured it may not have meant. */
export function warningsOf({ listen, store, event_log }: Configuration): string[] {
  const warnings: string[] = [];
  if (!isLoopback(listen.address))
    warnings.push(
      `listen.address: ${listen.address} can be reached from other hosts, and asks nobody for a password`,
    );
  if (store.kind === 'http' && store.password !== null && isSentInClear(store.url))
    warnings.push(`store.url: ${store.url} sends the password unencrypted; https would not`);
  if (event_log.kind === 'kafka' && !event_log.ssl.enabled && event_log.sasl.mechanism !== 'none')
    warnings.push('event_log.ssl.enabled: what logs in to the brokers is sent unencrypted; TLS would not');
  if (event_log.kind === 'kafka') warnings.push(...warningsOfRegistry(event_log.schema_registry));
  return warnings;
}

type Registry = Extract<Configuration['event_log'], { kind: 'kafka' }>['schema_registry'];

function warningsOfRegistry({ url, password, token, token_file }: Registry): string[] {
  const isSecret = password !== null || token !== null || token_file !== null;
  if (url === null || !isSecret || !isSentInClear(url)) return [];
  return [`event_log.schema_registry.url: ${url} sends what logs in unencrypted; https would not`];
}

function isSentInClear(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return (
    protocol === 'http:' && hostname !== 'localhost' && !isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'))
  );
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
