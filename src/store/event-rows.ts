import { bytesOf, byteTextFrom } from '../domain/byte-text.js';
import type { Event, EventKind, EventOf, Stream } from '../events/event.js';
import type { Row } from './database.js';
import { escapeText, textOrEmpty, unescapeText } from './text.js';

/** Events as rows of the tables `events` and `host_facts`, and back. */

export const EVENT_COLUMNS = [
  'cluster',
  'host',
  'at_us',
  'id',
  'kind',
  'stream',
  'boot',
  'sequence',
  'guest_uuid',
  'guest_name',
  'body',
  'witness',
  'witness_bytes',
] as const;

export function eventRow(event: Event): Row {
  const guest = 'guest' in event.body ? event.body.guest : null;
  return [
    escapeText(event.cluster),
    escapeText(event.host),
    event.at,
    escapeText(event.id),
    event.kind,
    event.stream,
    textOrEmpty(event.boot),
    event.sequence,
    textOrEmpty(guest?.uuid ?? null),
    textOrEmpty(guest?.name ?? null),
    JSON.stringify(event.body),
    escapeText(byteTextFrom(event.witness)),
    event.witness.length,
  ];
}

/** A row of `events` as a query gives it; `at_us` and `sequence` as text, whatever the server's settings. */
export interface EventRow {
  cluster: string;
  host: string;
  at_us: string;
  id: string;
  kind: string;
  stream: string;
  boot: string;
  sequence: string;
  body: string;
  witness: string;
}

export const EVENT_SELECTION =
  'cluster, host, toString(at_us) AS at_us, id, kind, stream, boot, toString(sequence) AS sequence, body, witness';

export function eventFromRow(row: EventRow): Event {
  return {
    cluster: unescapeText(row.cluster),
    host: unescapeText(row.host),
    boot: row.boot === '' ? null : unescapeText(row.boot),
    stream: row.stream as Stream,
    sequence: Number(row.sequence),
    at: Number(row.at_us),
    id: unescapeText(row.id),
    witness: bytesOf(unescapeText(row.witness)),
    kind: row.kind as EventKind,
    body: JSON.parse(row.body),
  } as Event;
}

export const HOST_FACTS_COLUMNS = [
  'cluster',
  'host',
  'at_us',
  'id',
  'origin',
  'host_name',
  'kernel',
  'libvirt_version',
  'selinux_mode',
  'facts',
] as const;

export function hostFactsRow(event: EventOf<'HostFactsRead'>): Row {
  return [
    escapeText(event.cluster),
    escapeText(event.host),
    event.at,
    escapeText(event.id),
    escapeText(event.body.origin),
    textOrEmpty(event.body.host_name),
    textOrEmpty(event.body.kernel),
    textOrEmpty(event.body.libvirt_version),
    textOrEmpty(event.body.selinux_mode),
    JSON.stringify(event.body),
  ];
}
