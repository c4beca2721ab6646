import type { Logger } from 'pino';
import { diffConfiguration, takenOver } from '../config/diff.js';
import { KEYS, valueAt } from '../config/keys.js';
import { type LoadedConfiguration, loadConfiguration } from '../config/load.js';
import type { Configuration } from '../config/schema.js';
import { Secret } from '../config/secret.js';
import { Health } from '../telemetry/health.js';
import { createLog, type Log } from '../telemetry/log.js';
import { createMetrics, type Metrics, type MetricsOptions } from '../telemetry/metrics.js';
import { onReload } from '../telemetry/process-signals.js';
import { startTelemetryServer } from '../telemetry/server.js';
import type { Io } from './io.js';
import { version } from './version.js';

/** What a long-lived role is given, whatever it does. */
export interface RoleSurroundings {
  /** as it is in effect now: on SIGHUP some keys take a new value */
  configuration(): Configuration;
  logger: Logger;
  metrics: Metrics;
  health: Health;
  /** aborted by SIGINT and SIGTERM, and when another part of the process failed: finish what is begun, then return */
  signal: AbortSignal;
}

export interface Role {
  /** as in the log: `collect` */
  name: string;
  parts: MetricsOptions['parts'];
  main(surroundings: RoleSurroundings): Promise<void>;
}

/**
 * Runs a role with everything around it: configuration and its reloading, log, metrics, /healthz, /readyz, /metrics.
 * Returns once the role has come to its end after a signal.
 *
 * @throws MigrationAuditError MA_CONFIG, MA_LISTEN, and what the role throws, which is in the log by then
 */
export async function runRole(io: Io, file: string | undefined, role: Role): Promise<void> {
  const sources = { file, environment: io.env };
  const loaded = await loadConfiguration(sources);
  const current = { configuration: loaded.configuration };
  const log = logFor(io, role.name, current);
  const { logger } = log;
  for (const warning of loaded.warnings) logger.warn(warning);

  const metrics = createMetrics({ version: version(), parts: role.parts });
  const health = new Health(Date.now, ({ name, isReady, reason }) => {
    metrics.of.ready.set({ condition: name }, isReady ? 1 : 0);
    if (isReady) logger.info({ condition: name }, 'ready');
    else logger.warn({ condition: name, reason }, 'not ready');
  });
  const { address, port } = current.configuration.listen;
  const onError = (err: unknown) => logger.error({ err }, 'a page of telemetry could not be made');
  const server = await startTelemetryServer({ address, port, health, metrics, onError });
  const noReload = onReload(
    io.signals,
    async () => takeOver(await loadConfiguration(sources), current, log, metrics),
    (err) => {
      metrics.of.configuration_reloads_total.inc({ result: 'refused' });
      logger.error({ err }, 'the new configuration cannot be used; going on with the old one');
    },
  );
  logger.info({ version: version(), file: loaded.file, address, port: server.port }, 'started');
  try {
    const configuration = () => current.configuration;
    await role.main({ configuration, logger, metrics, health, signal: io.signal });
    logger.info('ended');
  } catch (err) {
    logger.fatal({ err }, 'cannot go on');
    throw err;
  } finally {
    noReload();
    await server.close();
  }
}

function logFor(io: Io, role: string, current: { configuration: Configuration }): Log {
  const { log, host, cluster } = current.configuration;
  return createLog({
    ...log,
    role,
    host,
    cluster,
    to: io.err,
    secrets: () => secretsOf(current.configuration),
  });
}

function secretsOf(configuration: Configuration): Secret[] {
  return KEYS.flatMap(({ path }) => {
    const value = valueAt(configuration, path);
    return value instanceof Secret ? [value] : [];
  });
}

function takeOver(
  loaded: LoadedConfiguration,
  current: { configuration: Configuration },
  { logger, setLevel }: Log,
  metrics: Metrics,
): void {
  for (const change of diffConfiguration(current.configuration, loaded.configuration)) {
    const { key, from, to } = change;
    if (change.needsRestart) logger.warn({ key, from, to }, 'changed, and waits for a restart');
    else logger.info({ key, from, to }, 'changed');
  }
  current.configuration = takenOver(current.configuration, loaded.configuration);
  setLevel(current.configuration.log.level);
  metrics.of.configuration_reloads_total.inc({ result: 'used' });
}

/**
 * Runs parts of a role beside each other. When one fails the others are told to end, and its error is thrown once they
 * have; the end of one that was not asked to end counts as a failure of none.
 */
export async function together(
  signal: AbortSignal,
  parts: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const results = await Promise.allSettled(
    parts.map((part) =>
      part(either).catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    ),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
