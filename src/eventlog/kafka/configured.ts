import { readFile } from 'node:fs/promises';
import type { SASLOptions } from 'kafkajs';
import type { Configuration } from '../../config/schema.js';
import { MigrationAuditError } from '../../domain/errors.js';
import type { KafkaSettings } from './settings.js';
import type { TopicPlan } from './topics.js';

type Configured = Extract<Configuration['event_log'], { kind: 'kafka' }>;

/**
 * What the configuration says, with what its files hold.
 *
 * @throws MA_CONFIG when a file cannot be read
 */
export async function kafkaSettings(configured: Configured, host: string): Promise<KafkaSettings> {
  return {
    brokers: configured.brokers.split(/, */),
    // brokers name it in their logs and metrics
    client_id: `migration-audit-${host}`,
    prefix: configured.topic_prefix,
    compression: configured.compression,
    batch_bytes_max: configured.batch_bytes_max,
    session_timeout_ms: configured.session_timeout_s * 1000,
    ssl: await sslOf(configured),
    sasl: saslOf(configured),
  };
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
      oauthBearerProvider: async () => ({ value: await tokenIn(sasl.token_file as string) }),
    };
  const username = sasl.username as string;
  return { mechanism, username, password: sasl.password?.reveal() ?? '' } as SASLOptions;
}

/** At every login, for whoever issues tokens writes a new one in time. */
async function tokenIn(file: string): Promise<string> {
  const token = await contentOf('sasl.token_file', file);
  return (token ?? '').trim();
}
