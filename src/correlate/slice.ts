import { groupBy } from '../domain/group.js';
import type { Event } from '../events/event.js';
import { compareEntries, type Entry } from './entry.js';
import type { Family } from './family.js';
import type { HostLog } from './host-log.js';
import type { HostRecord } from './host-record.js';
import { letGoUntil_us, type Remains } from './remains.js';

/** The part of all hosts' records that one family is judged by. */
export interface Slice {
  /** every host of the cluster, by name in order */
  records: Map<string, HostRecord>;
  /** where the calls and announcements that were asked for stand in their host's record */
  positions: Map<Entry, number>;
}

/** Cuts slices out of hosts that do not change meanwhile. */
export class Slicer {
  private readonly hosts: readonly HostLog[];
  private readonly remains: Remains;
  /** records of hosts that never name the family */
  private readonly foreign = new Map<HostLog, HostRecord>();

  constructor(hosts: Iterable<HostLog>, remains: Remains) {
    this.remains = remains;
    this.hosts = [...hosts].sort((a, b) => (a.host < b.host ? -1 : 1));
  }

  /** @param beside calls and announcements that do not name a guest of the family */
  of(family: Family, beside: readonly Entry[]): Slice {
    const positions = new Map<Entry, number>();
    const besideByHost = groupBy(beside, ({ event }) => event.host);
    const records = new Map<string, HostRecord>();
    const remains = this.remains.ofFamily(family);
    for (const log of this.hosts) {
      const own = family.entriesOf(log.host);
      const others = besideByHost.get(log.host);
      const record =
        own.length === 0 && others === undefined
          ? this.foreignRecord(log)
          : cut(log, own, others ?? [], family, positions);
      const until_us = remains.size === 0 ? null : letGoUntil_us(remains, log.host);
      records.set(log.host, until_us === null ? record : withHole(record, until_us));
    }
    return { records, positions };
  }

  private foreignRecord(log: HostLog): HostRecord {
    let record = this.foreign.get(log);
    if (record === undefined) {
      record = cut(log, [], [], null, new Map());
      this.foreign.set(log, record);
    }
    return record;
  }
}

/**
 * Events of the family were let go up to a stamp. What is here of it begins after the hole; where nothing is, the hole
 * has no end.
 */
function withHole(record: HostRecord, letGo_us: number): HostRecord {
  const first = record.own.find((position) => (record.events[position] as Event).at > letGo_us);
  const until_us = first === undefined ? Number.POSITIVE_INFINITY : (record.times[first] as number) - 1;
  return { ...record, gaps: record.gaps.withLetGo(until_us) };
}

function cut(
  log: HostLog,
  own: readonly Entry[],
  beside: readonly Entry[],
  family: Family | null,
  positions: Map<Entry, number>,
): HostRecord {
  const isAlone = log.common.length === 0 && log.gapEntries.length === 0 && beside.length === 0;
  const entries = isAlone ? own : [...own, ...log.common, ...log.gapEntries, ...beside].sort(compareEntries);
  const foreign = new Set(beside);
  if (foreign.size > 0) for (const entry of own) foreign.delete(entry);
  const record = {
    events: [] as Event[],
    times: [] as number[],
    own: [] as number[],
    gapPositions: [] as number[],
  };
  let last: Entry | null = null;
  for (const entry of entries) {
    if (entry === last) continue;
    last = entry;
    const { event } = entry;
    const position = record.events.length;
    record.events.push(event.kind === 'GuestsListed' ? listOf(entry, family) : event);
    record.times.push(entry.time);
    if (event.kind === 'GapDetected') record.gapPositions.push(position);
    else if (foreign.size === 0 || !foreign.has(entry)) record.own.push(position);
    if (event.kind === 'RelabelObserved' || event.kind === 'RelabelIntended') positions.set(entry, position);
  }
  return log.recordOf(record);
}

/** A list with the guests of one family. */
function listOf(entry: Entry, family: Family | null): Event {
  const { event } = entry;
  if (event.kind !== 'GuestsListed') return event;
  const { guests } = event.body;
  const own = (family?.listed.get(entry) ?? []).flatMap((place) => guests[place] ?? []);
  return { ...event, body: { ...event.body, guests: own } };
}
