import kafkajs, { type ISocketFactory, type Kafka, type logCreator } from 'kafkajs';
import type { Logger } from 'pino';
import { MigrationAuditError } from '../../domain/errors.js';
import { createErrorFromCode } from './internals.js';
import { connectionOf, type KafkaSettings } from './settings.js';

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** What is retried here is over within seconds; what lasts longer is for the caller, who says so and goes on. */
const RETRY = { initialRetryTime: 50, maxRetryTime: 2_000, retries: 6 };

/** @param socketFactory opens its connections; null: as kafkajs does it */
export function kafkaClient(
  settings: KafkaSettings,
  logger: Logger,
  socketFactory: ISocketFactory | null = null,
): Kafka {
  return new kafkajs.Kafka({
    ...connectionOf(settings),
    ...(socketFactory === null ? {} : { socketFactory }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: loggingTo(logger),
  });
}

/** What brokers answer many times a second while they finish a transaction; whoever asked waits for it. */
const BUSY = createErrorFromCode(51).message; // CONCURRENT_TRANSACTIONS

/** Its errors are what it retries, hence warnings here; of what else it says, these fields and no others. */
function loggingTo(logger: Logger): logCreator {
  return () =>
    ({ namespace, level, log }) => {
      const { message, broker, groupId, memberId, topic, partition, error } = log as Record<string, unknown>;
      const fields = { kafka: namespace, broker, group: groupId, member: memberId, topic, partition };
      const text = typeof error === 'string' ? `${message}: ${error}` : String(message);
      if (level === kafkajs.logLevel.ERROR && error !== BUSY) logger.warn(fields, text);
      else logger.debug(fields, text);
    };
}

/** What no waiting mends: somebody has to change something first. */
const REFUSALS =
  /AUTHORIZATION_FAILED|SASL_AUTHENTICATION_FAILED|UNSUPPORTED_SASL_MECHANISM|SECURITY_DISABLED/;
const MISSING = /UNKNOWN_TOPIC_OR_PARTITION|INVALID_TOPIC_EXCEPTION/;
const TOO_LARGE = /MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE/;
const FENCED = /INVALID_PRODUCER_EPOCH|PRODUCER_FENCED|INVALID_PRODUCER_ID_MAPPING/;

/** The error in this program's words. Ours pass as they are. */
export function explained(cause: unknown, where: string): MigrationAuditError {
  if (cause instanceof MigrationAuditError) return cause;
  const { type, name, message } = innermost(cause);
  const said = `${type ?? name}: ${message}`;
  const code =
    REFUSALS.test(said) || name === 'KafkaJSSASLAuthenticationError'
      ? 'MA_KAFKA_REFUSED'
      : MISSING.test(said)
        ? 'MA_KAFKA_TOPIC'
        : TOO_LARGE.test(said)
          ? 'MA_RECORD_TOO_LARGE'
          : 'MA_KAFKA';
  return new MigrationAuditError(code, where, said, { cause });
}

/** Whether another process took over what this one was writing. */
export function isFenced(cause: unknown): boolean {
  return FENCED.test(innermost(cause).type ?? '');
}

/** What others have to mend, without anything being done to this process. */
const PASSING: ReadonlySet<string> = new Set(['MA_KAFKA', 'MA_SCHEMA_REGISTRY', 'MA_SCHEMA_NOT_REGISTERED']);

/** Whether trying again can help. */
export function isPassing(error: MigrationAuditError): boolean {
  return PASSING.has(error.code);
}

/** kafkajs wraps what a broker said into what it made of it. */
function innermost(cause: unknown): { type?: string; name: string; message: string } {
  let error = cause as { type?: string; name: string; message: string; cause?: unknown };
  while (error.type === undefined && error.cause instanceof Error) error = error.cause as typeof error;
  return error;
}
