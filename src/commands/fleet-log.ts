import { type KafkaConfiguration, openKafka } from './event-log.js';
import type { RoleSurroundings } from './role.js';

/** A registry counts as ready until it fails: it is asked for nothing before there is something to send or to read. */
export function openFleetLog(
  { health, logger }: RoleSurroundings,
  configured: KafkaConfiguration,
  host: string,
): ReturnType<typeof openKafka> {
  if (configured.schema_registry.url === null) return openKafka(configured, host, logger);
  const condition = health.condition('schema-registry');
  condition.ready();
  return openKafka(configured, host, logger, condition);
}
