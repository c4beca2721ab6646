import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { METRIC_PREFIX, METRICS, type MetricFacts } from '../../src/telemetry/metric-table.js';

const ROOT = new URL('../../', import.meta.url).pathname;
const ALL: [string, MetricFacts][] = Object.entries(METRICS);

describe('docs/reference/metrics.md', () => {
  const path = join(ROOT, 'docs/reference/metrics.md');
  const between = /(?<=^<!-- metrics -->\n)[\s\S]*(?=^<!-- end of metrics -->$)/m;

  it('says of every metric what the code says (GOLDEN_UPDATE=1 writes it)', () => {
    const table = `\n${metricTable()}\n\n`;
    if (process.env['GOLDEN_UPDATE'] === '1')
      writeFileSync(
        path,
        readFileSync(path, 'utf8').replace(between, () => table),
      );
    expect(between.exec(readFileSync(path, 'utf8'))?.[0]).toBe(table);
  });

  it('speaks of no other metric', () => {
    const named = readFileSync(path, 'utf8').match(/\bmigration_audit_\w+/g) ?? [];
    expect(named.filter((name) => !(name.slice(METRIC_PREFIX.length) in METRICS))).toEqual([]);
  });
});

describe('the table of metrics', () => {
  it.each(ALL)('names %s as Prometheus asks', (name, { type, labels }) => {
    expect(name).toMatch(/^[a-z]+(?:_[a-z]+)*$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    for (const label of Object.keys(labels)) expect(label).toMatch(/^[a-z]+$/);
  });

  it('bounds the series of each metric whose values it knows', () => {
    for (const [name, { labels }] of ALL) {
      const values = Object.values(labels).filter((known) => known !== null);
      expect(
        values.reduce((series, known) => series * known.length, 1),
        name,
      ).toBeLessThanOrEqual(40);
    }
  });

  it('knows the tables of the store', () => {
    const files = readdirSync(join(ROOT, 'schemas/clickhouse'));
    const created = files.flatMap((file) =>
      [
        ...readFileSync(join(ROOT, 'schemas/clickhouse', file), 'utf8').matchAll(
          /CREATE TABLE IF NOT EXISTS (\w+)/g,
        ),
      ].map((match) => match[1]),
    );
    expect([...METRICS.store_rows_total.labels.table].sort()).toEqual(created.sort());
  });
});

function metricTable(): string {
  const rows = ALL.map(([name, { of, type, labels, help }]) => [
    `\`${METRIC_PREFIX}${name}\``,
    type,
    Object.entries(labels)
      .map(([label, values]) => `\`${label}\`${values === null ? '' : `: ${values.join(', ')}`}`)
      .join('<br>'),
    of,
    help,
  ]);
  const head = ['metric', 'type', 'labels', 'of', 'meaning'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
