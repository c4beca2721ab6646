import type { GuestRemains, HostRemains } from '../correlate/remains.js';
import { MigrationAuditError } from '../domain/errors.js';
import type { Output } from '../eventlog/port.js';
import { decodeConclusion, decodeEvent, encodeEvent } from '../events/codec.js';
import type { Event } from '../events/event.js';
import type { Conclusion } from '../events/topic-records.js';
import { CONCLUSION_TABLES, type ConclusionTable } from '../store/conclusions.js';
import type { SaidOf } from './said.js';
import type { Watermark } from './watermarks.js';

/**
 * The processor's changelog in the topic `state`: what it takes to go on after a restart, each under a key of its own,
 * `[cluster, kind, name]` as JSON (in which no two names are alike, whatever their bytes).
 *
 * | kind | name | value |
 * |---|---|---|
 * | `event` | id of the event | the event, as in `events` |
 * | `waiting` | id of the event | a relabel of a file that nothing ties to a guest |
 * | `host` | host | its watermark, JSON |
 * | `remains` | a UUID or name of it | what is left of a guest of which events were let go, JSON |
 * | `settled` | none | when events were last let go, and what that changed for all, JSON |
 * | a table | id of the item | what was last said of it, without its words: JSON, see `saidState` |
 */
export type StateKind = 'event' | 'waiting' | 'host' | 'remains' | 'settled' | ConclusionTable;

export type StateRecord =
  | { kind: 'event' | 'waiting'; cluster: string; event: Event }
  | { kind: 'host'; cluster: string; host: string; watermark: Watermark }
  | { kind: 'remains'; cluster: string; remains: GuestRemains }
  | { kind: 'settled'; cluster: string; settled: Settled }
  | { kind: 'said'; cluster: string; said: SaidOf };

/** What the last round of letting go left for the cluster as a whole. */
export interface Settled {
  /** watermark of the middle host then, µs */
  at_us: number;
  /** memory that events took after it, about */
  bytes: number;
  /** highest version of an item that was forgotten */
  forgotten_version: number;
  hosts: Readonly<Record<string, HostRemains>>;
}

export function remainsState(cluster: string, id: string, remains: GuestRemains): Output {
  return state(cluster, 'remains', id, Buffer.from(JSON.stringify(remains)));
}

export function settledState(cluster: string, settled: Settled): Output {
  return state(cluster, 'settled', '', Buffer.from(JSON.stringify(settled)));
}

/** @param bytes those of the event, where they are at hand */
export function eventState(kind: 'event' | 'waiting', event: Event, bytes?: Buffer): Output {
  return state(event.cluster, kind, event.id, bytes ?? encodeEvent(event));
}

export function forgotten(cluster: string, kind: StateKind, name: string): Output {
  return state(cluster, kind, name, Buffer.alloc(0));
}

export function watermarkState(cluster: string, host: string, watermark: Watermark): Output {
  return state(cluster, 'host', host, Buffer.from(JSON.stringify(watermark)));
}

/** There is one for each conclusion that is published: an array in the order of this line is the smallest that serves. */
export function saidState(said: Conclusion): Output {
  const fields: SaidFields = [
    said.revision,
    said.version,
    said.retracted,
    said.confirmed,
    said.host,
    said.at_us,
    said.order_us,
    said.place,
    said.digest,
    said.hosts,
    said.waits_for,
  ];
  return state(said.cluster, said.table, said.id, Buffer.from(JSON.stringify(fields)));
}

type SaidFields = [
  revision: number,
  version: number,
  retracted: boolean,
  confirmed: boolean | null,
  host: string,
  at_us: number,
  order_us: number,
  place: number,
  digest: string,
  hosts: string[],
  waits_for: string[],
];

const SAID_FIELDS = 11;

function state(cluster: string, kind: StateKind, name: string, value: Buffer): Output {
  return { topic: 'state', record: { key: JSON.stringify([cluster, kind, name]), value, id: null } };
}

/** @throws MigrationAuditError MA_BAD_EVENT, MA_BAD_RECORD, MA_UNKNOWN_SCHEMA: a newer version wrote it, or nobody */
export function readState(key: string, value: Buffer): StateRecord {
  const [cluster, kind, name] = keyParts(key);
  if (kind === 'event' || kind === 'waiting') return { kind, cluster, event: decodeEvent(value) };
  if (kind === 'host') return { kind, cluster, host: name, watermark: readWatermark(key, value) };
  if (kind === 'remains') return { kind, cluster, remains: readRemains(key, value) };
  if (kind === 'settled') return { kind, cluster, settled: readSettled(key, value) };
  if ((CONCLUSION_TABLES as readonly string[]).includes(kind))
    return { kind: 'said', cluster, said: readSaid(key, kind as ConclusionTable, name, value) };
  throw unreadable(key, `nothing is kept as ${JSON.stringify(kind)}`);
}

function keyParts(key: string): [string, string, string] {
  const parts = parsed(key, key);
  if (Array.isArray(parts) && parts.length === 3 && parts.every((part) => typeof part === 'string'))
    return parts as [string, string, string];
  throw unreadable(key, 'its key is none of this program');
}

function readSaid(key: string, table: ConclusionTable, id: string, value: Buffer): SaidOf {
  // before this form there were conclusions without their items
  if (value[0] === AVRO_MARKER) return decodeConclusion(value);
  const fields = parsed(key, value.toString('utf8'));
  if (!Array.isArray(fields) || fields.length !== SAID_FIELDS) throw unreadable(key, 'nothing was said so');
  const [revision, version, retracted, confirmed, host, at_us, order_us, place, digest, hosts, waits_for] =
    fields as SaidFields;
  return {
    ...{ table, id, revision, version, retracted, confirmed, waits_for, host, at_us, hosts },
    ...{ order_us, place, digest },
  };
}

const AVRO_MARKER = 0xc3;

function readWatermark(key: string, value: Buffer): Watermark {
  const said = parsed(key, value.toString('utf8')) as Partial<Watermark> | null;
  const { own_us, true_us = null, offset_min_us = null, streams } = said ?? {};
  if (typeof own_us !== 'number' || !Array.isArray(streams)) throw unreadable(key, 'it is no watermark');
  return { own_us, true_us, offset_min_us, streams };
}

function readRemains(key: string, value: Buffer): GuestRemains {
  const said = parsed(key, value.toString('utf8')) as Partial<GuestRemains> | null;
  const { uuids, names, until_us, settled_us, files, gaveBack, ownedOn } = said ?? {};
  const areLists = [uuids, names, files, ownedOn].every((each) => Array.isArray(each));
  const areTimes = [until_us, settled_us].every((each) => typeof each === 'object');
  if (!areLists || !areTimes || typeof gaveBack !== 'boolean')
    throw unreadable(key, 'nothing is left of a guest so');
  return { uuids, names, until_us, settled_us, files, gaveBack, ownedOn } as GuestRemains;
}

function readSettled(key: string, value: Buffer): Settled {
  const said = parsed(key, value.toString('utf8')) as Partial<Settled> | null;
  const { at_us, bytes, forgotten_version, hosts } = said ?? {};
  const areNumbers = [at_us, bytes, forgotten_version].every((each) => typeof each === 'number');
  if (!areNumbers || typeof hosts !== 'object') throw unreadable(key, 'nothing was let go so');
  return { at_us, bytes, forgotten_version, hosts } as Settled;
}

function parsed(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(key, 'it is no JSON', cause);
  }
}

function unreadable(key: string, what: string, cause?: unknown): MigrationAuditError {
  return new MigrationAuditError('MA_BAD_RECORD', `state ${key}`, what, { cause });
}
