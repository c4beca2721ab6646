import { register } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { METRIC_PREFIX, METRICS } from '../../src/telemetry/metric-table.js';
import { createMetrics } from '../../src/telemetry/metrics.js';

const ALL_PARTS = ['collect', 'event log', 'forward', 'correlate', 'store'] as const;

/** `name{labels}` -> value */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

function ownTypes(text: string): [string, string][] {
  return [...text.matchAll(/^# TYPE migration_audit_(\w+) (\w+)$/gm)].map(([, name = '', type = '']) => [
    name,
    type,
  ]);
}

describe('metrics', () => {
  it('are those of the table, with its types', async () => {
    const text = await createMetrics({ version: '1.2.3', parts: ALL_PARTS }).text();
    expect(Object.fromEntries(ownTypes(text))).toEqual(
      Object.fromEntries(Object.entries(METRICS).map(([name, { type }]) => [name, type])),
    );
  });

  it('are shown for the parts that run, and can be set for all', async () => {
    const metrics = createMetrics({ version: '1.2.3', parts: ['store'] });
    metrics.of.guests.set(5);
    const parts = ownTypes(await metrics.text()).map(([name]) => METRICS[name as keyof typeof METRICS].of);
    expect([...new Set(parts)].sort()).toEqual(['every role', 'store']);
  });

  it('tell which build runs', async () => {
    const samples = samplesOf(await createMetrics({ version: '1.2.3', parts: [] }).text());
    expect(samples.get(`${METRIC_PREFIX}build_info{version="1.2.3",node="${process.versions.node}"}`)).toBe(
      1,
    );
  });

  it('begin with 0 for every value of a label that is known', async () => {
    const metrics = createMetrics({ version: '1.2.3', parts: ALL_PARTS });
    const before = samplesOf(await metrics.text());
    const series = 'migration_audit_findings_total{cause="second-start",verdict="violation"}';
    expect(before.get(series)).toBe(0);
    expect([...before.keys()].filter((key) => key.includes('rejected_lines'))).toEqual([]);
    metrics.of.findings_total.inc({ cause: 'second-start', verdict: 'violation' });
    expect(samplesOf(await metrics.text()).get(series)).toBe(1);
  });

  it('say nothing of a gauge that nobody set for a label', async () => {
    const samples = samplesOf(await createMetrics({ version: '1.2.3', parts: ALL_PARTS }).text());
    expect([...samples.keys()].filter((key) => key.startsWith('migration_audit_source_up'))).toEqual([]);
  });

  it('refuse labels that the table does not have', () => {
    const { of } = createMetrics({ version: '1.2.3', parts: ALL_PARTS });
    expect(() => of.gaps_total.inc({ colour: 'red' } as never)).toThrow(/colour/);
  });

  it('keep one from another, and out of the registry of everybody', async () => {
    const [one, other] = [
      createMetrics({ version: '1', parts: ALL_PARTS }),
      createMetrics({ version: '1', parts: ALL_PARTS }),
    ];
    one.of.guests.set(7);
    expect(samplesOf(await other.text()).get('migration_audit_guests')).toBe(0);
    expect(register.getMetricsAsArray()).toEqual([]);
  });

  it('escape what a label holds', async () => {
    const metrics = createMetrics({ version: '1', parts: ALL_PARTS });
    metrics.of.clock_offset_seconds.set({ host: 'a"\n\\b' }, 1);
    expect(await metrics.text()).toContain('migration_audit_clock_offset_seconds{host="a\\"\\n\\\\b"} 1\n');
  });
});
