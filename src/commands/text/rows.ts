import { getOrMake } from '../../domain/group.js';
import type { RelabelReport, TimelineEntry } from '../../domain/report.js';

/** Timeline entries that repeat each other, shown as one row. */
export interface Row {
  entry: TimelineEntry;
  relabel: RelabelReport | null;
  times: number;
  last_us: number;
  /** not all of them say what `entry` says */
  varied: boolean;
}

/** Kinds that come in floods, several of them interleaved, and say little by their order. */
const FLOODS: ReadonlySet<string> = new Set(['GuestIoError', 'AccessDenied', 'GapDetected']);
const FLOODS_INTERLEAVED_MAX = 4;

/**
 * One row for what repeats: at once, or, for floods, among the last few rows of its host. Relabels always stand alone.
 */
export function rowsOf(entries: readonly TimelineEntry[], relabels: readonly RelabelReport[]): Row[] {
  const relabelOf = new Map(relabels.map((relabel) => [relabel.id, relabel]));
  const rows: Row[] = [];
  const rowsOfHost = new Map<string, Row[]>();
  for (const entry of entries) {
    const earlier = getOrMake(rowsOfHost, entry.host, () => []);
    const relabel = relabelOf.get(entry.event) ?? null;
    const same =
      relabel === null
        ? earlier.slice(-FLOODS_INTERLEAVED_MAX).findLast((row, index, recent) => {
            const adjacent = index === recent.length - 1;
            return row.relabel === null && (adjacent || FLOODS.has(entry.kind)) && isSame(row.entry, entry);
          })
        : undefined;
    if (same === undefined) {
      const row = { entry, relabel, times: 1, last_us: entry.at_us, varied: false };
      rows.push(row);
      earlier.push(row);
    } else {
      same.times++;
      same.last_us = Math.max(same.last_us, entry.at_us);
      same.varied ||= same.entry.text !== entry.text;
    }
  }
  return rows;
}

/** Gaps differ in detail and mean the same here: something is missing. */
function isSame(a: TimelineEntry, b: TimelineEntry): boolean {
  return a.kind === b.kind && (a.text === b.text || a.kind === 'GapDetected');
}

export interface Excerpt {
  rows: Row[];
  /** rows left out before and after */
  earlier: number;
  later: number;
}

const ROWS_BEFORE_MAX = 20;
const ROWS_AFTER_MAX = 30;

/** The part of a long timeline that lies around the rows that matter. */
export function excerptAround(rows: Row[], matters: (row: Row) => boolean): Excerpt {
  const first = Math.max(0, rows.findIndex(matters));
  const last = Math.max(first, rows.findLastIndex(matters));
  const from = Math.max(0, first - ROWS_BEFORE_MAX);
  const to = Math.min(rows.length, last + 1 + ROWS_AFTER_MAX);
  return { rows: rows.slice(from, to), earlier: from, later: rows.length - to };
}
