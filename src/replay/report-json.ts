import type { Report } from '../domain/report.js';
import { safeJson } from '../domain/safe-json.js';
import { rfc3339 } from '../domain/time.js';

/**
 * The report as JSON: the same keys, except that every time `NAME_us` becomes `NAME`, RFC 3339 in UTC with
 * microseconds. `report-schema.ts` states the result; the compiler holds both to each other.
 */
export type ReportJson = InJson<Report>;

type InJson<T> = T extends readonly (infer Item)[]
  ? InJson<Item>[]
  : T extends object
    ? { [K in keyof T as JsonKey<K>]: K extends `${string}_us` ? JsonTime<T[K]> : InJson<T[K]> }
    : T;
type JsonKey<K> = K extends `${infer Name}_us` ? Name : K;
type JsonTime<T> = T extends null ? null : string;

export function reportJson(report: Report): ReportJson;
export function reportJson(report: Partial<Report>): Partial<ReportJson>;
export function reportJson(report: Partial<Report>): Partial<ReportJson> {
  return inJson(report) as Partial<ReportJson>;
}

function inJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inJson);
  const json: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(value))
    if (key.endsWith('_us')) json[key.slice(0, -3)] = part === null ? null : rfc3339(part);
    else json[key] = inJson(part);
  return json;
}

/**
 * One JSON object, laid out with one item a line: big reports can be read, compared and searched with line tools.
 */
export function* jsonLines(report: Partial<Report>): Generator<string> {
  yield '{\n';
  const sections = Object.entries(reportJson(report)) as [string, unknown[]][];
  for (const [index, [name, items]] of sections.entries()) {
    const end = index === sections.length - 1 ? '' : ',';
    if (items.length === 0) {
      yield `"${name}": []${end}\n`;
      continue;
    }
    yield `"${name}": [\n`;
    for (const [position, item] of items.entries())
      yield `  ${safeJson(item)}${position === items.length - 1 ? '' : ','}\n`;
    yield `]${end}\n`;
  }
  yield '}\n';
}

const TYPE_OF_SECTION = {
  hosts: 'host',
  migrations: 'migration',
  relabels: 'relabel',
  findings: 'finding',
  timeline: 'timeline',
} as const satisfies Record<keyof Report, string>;

/** One object a line: `{"type":"host",…}`. Each is made as it is asked for: a big report is not held twice. */
export function* ndjsonLines(report: Partial<Report>): Generator<string> {
  for (const section of Object.keys(TYPE_OF_SECTION) as (keyof Report)[])
    for (const item of report[section] ?? [])
      yield `${safeJson({ type: TYPE_OF_SECTION[section], ...(inJson(item) as object) })}\n`;
}
