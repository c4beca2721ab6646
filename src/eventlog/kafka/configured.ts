import { readFile } from 'node:fs/promises';
import type { SASLOptions } from 'kafkajs';
import type { Configuration } from '../../config/schema.js';
import { MigrationAuditError } from '../../domain/errors.js';
import type { ConditionSetter } from '../../telemetry/health.js';
import { RegistryFraming } from './registry/framing.js';
import type { SchemaPlan } from './registry/registration.js';
import { RegistryClient, type RegistrySettings } from './registry/registry-client.js';
import { type KafkaSettings, topicName } from './settings.js';
import type { TopicPlan } from './topics.js';

type Configured = Extract<Configuration['event_log'], { kind: 'kafka' }>;

/**
 * What the configuration says, with what its files hold.
 *
 * @param condition holds while the schema registry answers what it is asked
 * @throws MA_CONFIG when a file cannot be read
 */
export async function kafkaSettings(
  configured: Configured,
  host: string,
  condition: ConditionSetter | null = null,
): Promise<KafkaSettings> {
  const schemas = await schemaPlan(configured);
  const prefix = configured.topic_prefix;
  return {
    ...(schemas === null
      ? {}
      : {
          framing: new RegistryFraming({
            ...schemas,
            topicName: (topic) => topicName({ prefix }, topic),
            condition,
          }),
        }),
    brokers: configured.brokers.split(/, */),
    // brokers name it in their logs and metrics
    client_id: `migration-audit-${host}`,
    prefix,
    compression: configured.compression,
    batch_bytes_max: configured.batch_bytes_max,
    session_timeout_ms: configured.session_timeout_s * 1000,
    ssl: await sslOf(configured),
    sasl: saslOf(configured),
  };
}

/** Null where no registry is configured. @throws MA_CONFIG when a file cannot be read */
export async function schemaPlan(configured: Configured): Promise<SchemaPlan | null> {
  const registry = await registrySettings(configured);
  if (registry === null) return null;
  return { client: new RegistryClient(registry), subjects: configured.schema_registry.subjects };
}

export function topicPlan({ partitions, replication, retain_h }: Configured): TopicPlan {
  return { partitions, replication, retention_h: retain_h };
}

async function sslOf({ ssl }: Configured): Promise<KafkaSettings['ssl']> {
  if (!ssl.enabled) return null;
  const [ca, cert, key] = await Promise.all([
    contentOf('ssl.ca_file', ssl.ca_file),
    contentOf('ssl.cert_file', ssl.cert_file),
    contentOf('ssl.key_file', ssl.key_file),
  ]);
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null || key === null ? {} : { cert, key }),
  };
}

async function contentOf(key: string, file: string | null): Promise<string | null> {
  if (file === null) return null;
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const detail = `${file} cannot be read: ${(cause as Error).message}`;
    throw new MigrationAuditError('MA_CONFIG', `event_log.${key}`, detail, { cause });
  }
}

function saslOf({ sasl }: Configured): SASLOptions | null {
  const { mechanism } = sasl;
  if (mechanism === 'none') return null;
  if (mechanism === 'oauthbearer')
    return {
      mechanism,
      oauthBearerProvider: async () => ({
        value: await tokenIn('sasl.token_file', sasl.token_file as string),
      }),
    };
  const username = sasl.username as string;
  return { mechanism, username, password: sasl.password?.reveal() ?? '' } as SASLOptions;
}

/** At every login, for whoever issues tokens writes a new one in time. */
async function tokenIn(key: string, file: string): Promise<string> {
  const token = await contentOf(key, file);
  return (token ?? '').trim();
}

async function registrySettings({ schema_registry: registry }: Configured): Promise<RegistrySettings | null> {
  const { url, ca_file, username, password, token, token_file } = registry;
  if (url === null) return null;
  const ca = await contentOf('schema_registry.ca_file', ca_file);
  const bearer = async () =>
    token?.reveal() ?? (token_file === null ? null : await tokenIn('schema_registry.token_file', token_file));
  const basic = Buffer.from(`${username}:${password?.reveal() ?? ''}`).toString('base64');
  const authorization = async () => {
    if (username !== null) return `Basic ${basic}`;
    const text = await bearer();
    return text === null ? null : `Bearer ${text}`;
  };
  return { url, ca, authorization };
}
