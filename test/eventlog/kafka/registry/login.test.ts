import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { schemaPlan } from '../../../../src/eventlog/kafka/configured.js';
import type { RegistryClient } from '../../../../src/eventlog/kafka/registry/registry-client.js';
import { load } from '../../../config/loading.js';
import { SchemaRegistry } from '../../../services/schema-registry.js';

const SUBJECT = 'fleet.events-value';
const REFUSED = { code: 'MA_SCHEMA_REGISTRY', message: expect.stringContaining('HTTP 401') };

let directory: string;
let registry: SchemaRegistry;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'migration-audit-registry-'));
  const files = ['-keyout', 'key.pem', '-out', 'cert.pem'];
  const names = ['-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', ...kind, ...files, ...names], { cwd: directory, stdio: 'ignore' });
  const [key, cert] = ['key.pem', 'cert.pem'].map((file) => readFileSync(join(directory, file), 'utf8'));
  registry = await SchemaRegistry.start({ key: key as string, cert: cert as string });
});
afterAll(async () => {
  await registry.close();
  rmSync(directory, { recursive: true, force: true });
});

async function clientWith(
  lines: readonly string[],
  variables: Record<string, string> = {},
): Promise<RegistryClient> {
  const section = [`url: ${registry.url}/`, ...lines].map((line) => `    ${line}\n`).join('');
  const text = `cluster: lab\nevent_log:\n  kind: kafka\n  brokers: k:1\n  schema_registry:\n${section}`;
  const { event_log } = (await load(text, variables)).configuration;
  const plan = event_log.kind === 'kafka' ? await schemaPlan(event_log) : null;
  return plan?.client as RegistryClient;
}

const known = () => `ca_file: ${join(directory, 'cert.pem')}`;

it('is refused when its certificate is of an unknown authority', async () => {
  const client = await clientWith([]);
  await expect(client.idOf(SUBJECT, '{}')).rejects.toMatchObject({
    code: 'MA_SCHEMA_REGISTRY',
    message: expect.stringContaining('self-signed certificate'),
  });
});

it('takes a user with a password, over TLS', async () => {
  registry.authorization = `Basic ${Buffer.from('alice:pass wörd').toString('base64')}`;
  const file = join(directory, 'password');
  writeFileSync(file, 'pass wörd\n', { mode: 0o600 });
  const client = await clientWith([known(), 'username: alice', `password_file: ${file}`]);
  expect(await client.idOf(SUBJECT, '{}')).toBeNull();
  const variable = { MIGRATION_AUDIT_EVENT_LOG_SCHEMA_REGISTRY_PASSWORD: 'another' };
  const other = await clientWith([known(), 'username: alice', `password_file: ${file}`], variable);
  await expect(other.idOf(SUBJECT, '{}')).rejects.toMatchObject(REFUSED);
});

it('takes a token, out of a file that is read anew for each request, or the environment', async () => {
  registry.authorization = 'Bearer second';
  const file = join(directory, 'token');
  const client = await clientWith([known(), `token_file: ${file}`]);
  await expect(client.idOf(SUBJECT, '{}')).rejects.toMatchObject({ code: 'MA_CONFIG' });
  writeFileSync(file, 'first\n');
  await expect(client.idOf(SUBJECT, '{}')).rejects.toMatchObject(REFUSED);
  writeFileSync(file, 'second\n');
  expect(await client.idOf(SUBJECT, '{}')).toBeNull();
  const variable = { MIGRATION_AUDIT_EVENT_LOG_SCHEMA_REGISTRY_TOKEN: 'second' };
  expect(await (await clientWith([known()], variable)).idOf(SUBJECT, '{}')).toBeNull();
});

it('says nothing of what logs in when it fails', async () => {
  registry.authorization = 'Bearer other';
  const variable = { MIGRATION_AUDIT_EVENT_LOG_SCHEMA_REGISTRY_TOKEN: 's3cret-token' };
  const error = await (await clientWith([known()], variable)).idOf(SUBJECT, '{}').catch((cause) => cause);
  expect(error).toMatchObject(REFUSED);
  expect(JSON.stringify([error, error.message, error.stack, error.where])).not.toContain('s3cret-token');
});
