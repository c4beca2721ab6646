import { hash } from 'node:crypto';
import type { ByteText } from '../domain/byte-text.js';
import {
  type FindingReport,
  type GuestRef,
  type HostReport,
  type MigrationReport,
  type RelabelReport,
  type TimelineEntry,
  timelineId,
} from '../domain/report.js';
import { escapeText, textOrEmpty } from './text.js';

/**
 * What a report concludes, table by table. Every such table has the columns of `Conclusion` and `record`, the item as
 * JSON, from which it is read back exactly; the columns here are for people, filters and Grafana.
 */

export const CONCLUSION_TABLES = ['hosts', 'timeline', 'relabels', 'migrations', 'findings'] as const;
export type ConclusionTable = (typeof CONCLUSION_TABLES)[number];

export interface ConclusionItems {
  hosts: HostReport;
  timeline: TimelineEntry;
  relabels: RelabelReport;
  migrations: MigrationReport;
  findings: FindingReport;
}

/** Tables of verdicts, which have a column `confirmed`. */
export const VERDICT_TABLES: ReadonlySet<ConclusionTable> = new Set<ConclusionTable>([
  'relabels',
  'migrations',
  'findings',
]);

/** Where an item belongs, and what it rests on. */
export interface Conclusion {
  id: string;
  /** whose clock `at_us` is */
  host: string;
  at_us: number;
  /** hosts whose records it rests on */
  hosts: string[];
}

export interface TableShape<Item> {
  /** what FINAL orders and replaces by; false where a revision may move an item in time */
  timeIsFixed: boolean;
  /** items in the order of the report */
  locate(items: readonly Item[]): Conclusion[];
  columns: { [column: string]: (item: Item) => unknown };
  /** columns that a retraction changes, beside `retracted`, `revision` and `version` */
  retraction: { [column: string]: string };
}

export const SHAPES: { [T in ConclusionTable]: TableShape<ConclusionItems[T]> } = {
  hosts: {
    timeIsFixed: false,
    locate: (hosts) =>
      hosts.map((item) => ({
        id: item.host,
        host: item.host,
        at_us: item.first_us ?? 0,
        hosts: [item.host],
      })),
    columns: {
      events: (item) => item.events,
      first_us: (item) => item.first_us,
      last_us: (item) => item.last_us,
      gaps: (item) => item.gaps.length,
    },
    retraction: {},
  },
  timeline: {
    timeIsFixed: true,
    locate: (entries) =>
      entries.map((item) => ({
        id: timelineId(item),
        host: item.host,
        at_us: item.at_us,
        hosts: [item.host],
      })),
    columns: {
      event: (item) => escapeText(item.event),
      kind: (item) => item.kind,
      ...guestColumns<TimelineEntry>((item) => item.guest),
      text: (item) => escapeText(item.text),
    },
    retraction: {},
  },
  relabels: {
    timeIsFixed: true,
    locate: (relabels) =>
      relabels.map((item) => ({
        id: item.id,
        host: item.host,
        at_us: item.at_us,
        hosts: known([item.host, item.owner]),
      })),
    columns: {
      serial: (item) => item.serial,
      call: (item) => item.call,
      success: (item) => item.success,
      ...guestColumns<RelabelReport>((item) => item.guest),
      path: (item) => textOrEmpty(item.image.path),
      storage: (item) => textOrEmpty(item.image.storage),
      inode: (item) => textOrEmpty(item.image.inode),
      before_uid: (item) => item.before?.uid ?? null,
      before_gid: (item) => item.before?.gid ?? null,
      before_context: (item) => textOrEmpty(item.before?.context ?? null),
      after_uid: (item) => item.after?.uid ?? null,
      after_gid: (item) => item.after?.gid ?? null,
      after_context: (item) => textOrEmpty(item.after?.context ?? null),
      effect: (item) => item.effect,
      owner: (item) => textOrEmpty(item.owner),
      verdict: (item) => item.verdict,
      reason: (item) => item.reason,
      proof: (item) => item.proof,
      missing: (item) => item.missing.map((missing) => missing.what),
      exe: (item) => textOrEmpty(item.actor.exe),
      comm: (item) => textOrEmpty(item.actor.comm),
      pid: (item) => item.actor.pid,
      auid: (item) => item.actor.auid,
    },
    retraction: {},
  },
  migrations: {
    timeIsFixed: false,
    locate: (migrations) =>
      migrations.map((item) => ({
        id: item.id,
        host: item.from ?? item.to ?? '',
        at_us: item.began_us ?? item.ended_us ?? 0,
        hosts: known([item.from, item.to]),
      })),
    columns: {
      kind: (item) => item.kind,
      ...guestColumns<MigrationReport>((item) => item.guest),
      from_host: (item) => textOrEmpty(item.from),
      to_host: (item) => textOrEmpty(item.to),
      began_us: (item) => item.began_us,
      ended_us: (item) => item.ended_us,
      outcome: (item) => item.outcome,
      owner_after: (item) => textOrEmpty(item.owner_after),
      text: (item) => escapeText(item.text),
    },
    retraction: {},
  },
  findings: {
    timeIsFixed: false,
    locate: (findings) =>
      findings.map((item) => ({
        id: item.id,
        host: item.host,
        at_us: item.opened_us,
        hosts: known([item.host, item.owner]),
      })),
    columns: {
      kind: (item) => item.kind,
      cause: (item) => item.cause,
      severity: (item) => item.severity,
      state: (item) => item.state,
      verdict: (item) => item.verdict,
      ...guestColumns<FindingReport>((item) => item.guest),
      owner: (item) => textOrEmpty(item.owner),
      migration: (item) => textOrEmpty(item.migration),
      paths: (item) => item.images.flatMap(({ path }) => (path === null ? [] : [escapeText(path)])),
      resolved_us: (item) => item.resolved_us,
      exposure_ms: (item) => item.exposure_ms,
      access: (item) => item.impact.access,
      io_errors: (item) => item.impact.io_errors,
      relabels: (item) => item.relabels.map(escapeText),
      summary: (item) => escapeText(item.summary),
      proof: (item) => item.proof,
      missing: (item) => item.missing.map((missing) => missing.what),
    },
    retraction: { state: "'retracted'" },
  },
};

/** The item as it is kept, as JSON. Its revision is counted beside it. */
export function recordOf(item: ConclusionItems[ConclusionTable]): string {
  return JSON.stringify('revision' in item ? { ...item, revision: 0 } : item);
}

/** Of two records, equal only when they say the same. */
export function digestOf(record: string): string {
  return hash('sha256', record, 'base64url').slice(0, 22);
}

function guestColumns<Item>(
  guest: (item: Item) => GuestRef | null,
): Record<'guest_uuid' | 'guest_name', (item: Item) => string> {
  return {
    guest_uuid: (item) => textOrEmpty(guest(item)?.uuid ?? null),
    guest_name: (item) => textOrEmpty(guest(item)?.name ?? null),
  };
}

function known(hosts: (ByteText | null)[]): string[] {
  return [...new Set(hosts.filter((host) => host !== null))].sort();
}
