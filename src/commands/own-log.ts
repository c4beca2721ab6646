import { statfs } from 'node:fs/promises';
import type { Configuration } from '../config/schema.js';
import type { EventLog, Topic } from '../eventlog/port.js';
import type { Instruments } from '../telemetry/metrics.js';
import { pause } from '../waiting/pause.js';

/** A group that reads a topic, for its metric. */
export interface ReadingGroup {
  group: string;
  topic: Topic;
}

const SHOW_EVERY_MS = 5_000;

/** Shows how full the log in the data directory is and how far behind its groups are, until aborted. */
export async function showLog(
  log: EventLog,
  { data_directory, event_log }: Configuration,
  groups: readonly ReadingGroup[],
  metrics: Instruments,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { topics } = log.statistics();
    const bytes = Object.values(topics).reduce((sum, topic) => sum + topic.bytes, 0);
    metrics.event_log_bytes.set(bytes);
    const { bavail, bsize } = await statfs(data_directory);
    metrics.event_log_free_bytes.set(Math.max(0, Math.min(event_log.bytes_max - bytes, bavail * bsize)));
    for (const { group, topic } of groups)
      metrics.event_log_lag_events.set({ group }, (await log.lag(group, topic)).records);
    await pause(SHOW_EVERY_MS, signal);
  }
}
