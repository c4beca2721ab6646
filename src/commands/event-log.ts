import { join } from 'node:path';
import { Option } from 'commander';
import { type Logger, pino } from 'pino';
import { DEFAULT_FILE, loadConfiguration } from '../config/load.js';
import type { Configuration } from '../config/schema.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { Appender, ProcessorLog, Scanner } from '../eventlog/port.js';
import type { ConditionSetter } from '../telemetry/health.js';
import type { Io } from './io.js';

/** The event log as the commands use it that look into it, without being a role. */

export interface ConfigurationOption {
  config?: string;
}

export function configOption(): Option {
  return new Option(
    '-c, --config <file>',
    `the configuration file; by default $MIGRATION_AUDIT_CONFIG, or ${DEFAULT_FILE} if there is one`,
  );
}

export async function configurationFor(io: Io, { config }: ConfigurationOption): Promise<Configuration> {
  return (await loadConfiguration({ file: config, environment: io.env })).configuration;
}

export type KafkaConfiguration = Extract<Configuration['event_log'], { kind: 'kafka' }>;

/** @throws MA_CONFIG when the event log is that of one machine */
export function onKafka({ event_log }: Configuration): KafkaConfiguration {
  if (event_log.kind === 'kafka') return event_log;
  throw new MigrationAuditError(
    'MA_CONFIG',
    'event_log.kind',
    `it is ${event_log.kind}, and topics are Kafka’s`,
    {
      hint: 'set event_log.kind to kafka, and event_log.brokers',
    },
  );
}

/** What goes wrong for good is thrown; what a client says on its way there is nobody's business here. */
export const silent = pino({ level: 'silent' });

/** Opens the configured log, uses it, and closes it. @param spool the one of this host, even in a fleet */
export async function usingLog<T>(
  configuration: Configuration,
  { spool, readOnly }: { spool: boolean; readOnly: boolean },
  use: (log: ProcessorLog & Appender & Scanner) => Promise<T>,
): Promise<T> {
  const { event_log, host } = configuration;
  const log =
    event_log.kind === 'kafka' && !spool
      ? await openKafka(event_log, host, silent)
      : await openLocal(configuration, readOnly);
  try {
    return await use(log);
  } finally {
    await log.close();
  }
}

/** @param condition holds while the schema registry answers what it is asked */
export async function openKafka(
  configured: KafkaConfiguration,
  host: string,
  logger: Logger,
  condition: ConditionSetter | null = null,
) {
  const [{ kafkaSettings }, { openKafkaLog }] = await Promise.all([
    import('../eventlog/kafka/configured.js'),
    import('../eventlog/kafka/kafka-log.js'),
  ]);
  return openKafkaLog(await kafkaSettings(configured, host, condition), logger);
}

/** The log in the data directory: of one machine, or the spool of a collector that forwards. */
export async function openLocal({ data_directory, event_log }: Configuration, readOnly: boolean) {
  const { openLocalLog } = await import('../eventlog/local/local-log.js');
  const { bytes_max, retain_h } = event_log;
  return openLocalLog({
    directory: join(data_directory, 'event-log'),
    bytes_max,
    retain_us: retain_h * 3_600_000_000,
    readOnly,
  });
}
