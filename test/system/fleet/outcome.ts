import type { Report } from '../../../src/domain/report.js';
import type { KafkaEventLog } from '../../../src/eventlog/kafka/kafka-log.js';
import { decodeConclusion } from '../../../src/events/codec.js';
import type { Store } from '../../../src/store/store.js';

/** What a fleet came to, and what it had to come to. */

/** The rows of a report, each whole, without what counts how often they were said; a row that is there twice shows. */
function rowsOf({ relabels, migrations, findings, timeline, hosts }: Report) {
  const sorted = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).sort();
  return {
    relabels: sorted(relabels),
    migrations: sorted(migrations),
    findings: sorted(findings.map(({ revision: _, ...finding }) => finding)),
    timeline: sorted(timeline),
    gaps: sorted(hosts.map(({ host, gaps }) => ({ host, gaps }))),
  };
}

export function expectedRows(reports: ReadonlyMap<string, Report>) {
  return Object.fromEntries([...reports].map(([cluster, report]) => [cluster, rowsOf(report)]));
}

export async function storedRows(store: Store, clusters: Iterable<string>) {
  const rows: Record<string, ReturnType<typeof rowsOf>> = {};
  for (const cluster of clusters) rows[cluster] = rowsOf(await store.report(cluster));
  return rows;
}

/**
 * What is wrong with the conclusions in the log, by the names of Jepsen. Each item counts its records from 1: one that
 * is missing is a lost write, one that is there twice comes from a duplicate, an aborted transaction that was read
 * (G1a), or two processors that both wrote.
 */
export async function anomalies(kafka: KafkaEventLog): Promise<string[]> {
  const wrong: string[] = [];
  for (const topic of ['timeline', 'findings'] as const) {
    const last = new Map<string, number>();
    for await (const { value } of kafka.scan(topic)) {
      const { cluster, table, id, version } = decodeConclusion(value);
      const item = `${cluster} ${table} ${id}`;
      const expected = (last.get(item) ?? 0) + 1;
      if (version > expected) wrong.push(`lost write: ${item} goes from ${expected - 1} to ${version}`);
      if (version < expected) wrong.push(`duplicate or aborted read: ${item} has ${version} again`);
      last.set(item, version);
    }
  }
  return wrong;
}
