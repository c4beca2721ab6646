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
import { aborted, pause } from '../waiting/pause.js';
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
  const named = new Set<string>();
  const health = new Health(Date.now, ({ name, isReady, reason }) => {
    metrics.of.ready.set({ condition: name }, isReady ? 1 : 0);
    const isNew = !named.has(name);
    named.add(name);
    if (isReady) logger.info({ condition: name }, 'ready');
    // every condition begins so, and that is no news
    else logger[isNew ? 'debug' : 'warn']({ condition: name, reason }, 'not ready');
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

/** One of the steps that data takes through a process. */
export interface Stage {
  run(signal: AbortSignal): Promise<void>;
  /** has it taken all that the stages before it gave? */
  isCaughtUp?(): boolean;
}

/** Longest wait for a stage to catch up before it is told to end: what is left then is there at the next start. */
const CATCH_UP_MS_MAX = 10_000;
const CATCH_UP_POLL_MS = 10;

/**
 * Runs stages beside each other. When told to end they end in their order, each once it has caught up with those before
 * it, so that what was collected is still judged and stored. When one fails all are told to end at once, and its error
 * is thrown when they have.
 */
export async function runStages(signal: AbortSignal, stages: readonly Stage[]): Promise<void> {
  const failed = new AbortController();
  const running = stages.map((stage) => {
    const stop = new AbortController();
    const ended = stage
      .run(AbortSignal.any([stop.signal, failed.signal]))
      .finally(() => !stop.signal.aborted && failed.abort());
    return { stage, stop, ended: ended.then(() => null, asError) };
  });
  await aborted(AbortSignal.any([signal, failed.signal]));
  for (const { stage, stop, ended } of running) {
    await caughtUp(stage, AbortSignal.any([failed.signal, AbortSignal.timeout(CATCH_UP_MS_MAX)]));
    stop.abort();
    await ended;
  }
  for (const { ended } of running) {
    const error = await ended;
    if (error !== null) throw error;
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

async function caughtUp({ isCaughtUp }: Stage, enough: AbortSignal): Promise<void> {
  while (isCaughtUp?.() === false && !enough.aborted) await pause(CATCH_UP_POLL_MS, enough);
}
