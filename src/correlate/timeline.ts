import { type ByteText, byteTextFrom, printable } from '../domain/byte-text.js';
import type { TimelineEntry } from '../domain/report.js';
import { clockTime } from '../domain/time.js';
import type { Event, EventOf } from '../events/event.js';
import type { GuestView } from './guest-view.js';
import type { HostRecord } from './host-record.js';
import type { Judgement } from './judge.js';
import { askedText } from './wording.js';

/** An entry with what it is laid out by: the host's corrected time, and its position in the host's record. */
export interface TimelineRow {
  entry: TimelineEntry;
  time_us: number;
  position: number;
}

/** What one guest went through, host by host. */
export function guestTimeline(
  view: GuestView,
  records: ReadonlyMap<string, HostRecord>,
  positionsOf: (record: HostRecord) => readonly number[],
): TimelineRow[] {
  const judged = new Map(view.judgements.map((judgement) => [judgement.call.event.id, judgement]));
  const rows: TimelineRow[] = [];
  for (const record of records.values()) {
    for (const row of hostRows(view, record, positionsOf(record), judged)) rows.push(row);
  }
  return rows;
}

function* hostRows(
  view: GuestView,
  record: HostRecord,
  own: readonly number[],
  judged: ReadonlyMap<string, Judgement>,
): Iterable<TimelineRow> {
  let run: { entry: TimelineEntry; reason: string; count: number } | null = null;
  for (const position of positionsShown(view, record, own, judged)) {
    const event = record.events[position] as Event;
    const text = describe(event, judged.get(event.id), view);
    if (text === null) continue;
    if (event.kind === 'GuestIoError') {
      if (isRepetition(event)) continue;
      if (run) {
        run.count++;
        run.entry.text = `${run.reason} (${run.count} times until ${clockTime(event.at)})`;
        continue;
      }
    }
    const entry: TimelineEntry = {
      at_us: event.at,
      host: record.host,
      guest: view.ref,
      kind: event.kind,
      text,
      event: event.id,
      witness: witnessLines(event),
    };
    run = event.kind === 'GuestIoError' ? { entry, reason: text, count: 1 } : null;
    yield { entry, time_us: record.times[position] as number, position };
  }
}

function positionsShown(
  view: GuestView,
  record: HostRecord,
  own: readonly number[],
  judged: ReadonlyMap<string, Judgement>,
): readonly number[] {
  const calls = [...judged.values()].filter(({ call }) => call.record === record);
  const isConcerned = own.length + calls.length > 0 || view.custody.incarnationsOf(record.host).length > 0;
  if (calls.length === 0 && (!isConcerned || record.gapPositions.length === 0)) return own;
  const all = new Set([...own, ...calls.map(({ call }) => call.position), ...record.gapPositions]);
  return [...all].sort((a, b) => a - b);
}

/** One guest's rows as one list, in the order of the aligned clocks. */
export function laidOut(rows: readonly TimelineRow[], offsets: ReadonlyMap<string, number>): TimelineEntry[] {
  return rows
    .map((row) => ({ ...row, order_us: row.time_us + (offsets.get(row.entry.host) ?? 0) }))
    .sort(
      (a, b) =>
        a.order_us - b.order_us ||
        (a.entry.host < b.entry.host ? -1 : a.entry.host > b.entry.host ? 1 : a.position - b.position),
    )
    .map(({ entry }) => entry);
}

/** One error is told up to four times: by QEMU, twice by virsh, and in the guest's own log. */
function isRepetition(event: EventOf<'GuestIoError'>): boolean {
  return event.stream === 'virsh-event' || event.stream === 'guest-log';
}

export function witnessLines(event: Event): ByteText[] {
  return event.witness.length === 0 ? [] : byteTextFrom(event.witness).split('\n');
}

function describe(event: Event, judgement: Judgement | undefined, view: GuestView): string | null {
  if (event.kind !== 'RelabelObserved') return eventText(event);
  return judgement ? relabelText(event, judgement, view) : null;
}

/** What an event says that is no relabel; null where a timeline does not show it. */
export function eventText(event: Exclude<Event, { kind: 'RelabelObserved' }>): string | null {
  switch (event.kind) {
    case 'GuestStarted':
      return event.body.success
        ? `QEMU started (${event.body.reason})${event.body.reason === 'migrated' ? ', waiting for the guest' : ''}`
        : `QEMU could not be started (${event.body.reason})`;
    case 'GuestStopped':
      return `QEMU ended (${event.body.reason})`;
    case 'GuestLabelAssigned':
      return event.body.source === 'audit'
        ? `${event.body.model} label for the guest here: ${printable(event.body.image_label ?? 'none', 120)}`
        : null;
    case 'LifecycleChanged':
      return `${event.body.event} ${event.body.detail}`;
    case 'VcpusStopped':
      return 'vCPUs stopped';
    case 'VcpusResumed':
      return 'vCPUs run';
    case 'MigrationStatusChanged':
      return `migration ${event.body.status}`;
    case 'GuestIoError':
      return `I/O error${event.body.operation ? ` (${event.body.operation})` : ''}${event.body.reason ? `: ${printable(event.body.reason, 80)}` : ''}`;
    case 'DomainEventSeen':
      return event.body.event === 'control-error' ? 'libvirt lost QEMU’s monitor (control-error)' : null;
    case 'RelabelIntended':
      return intendedText(event);
    case 'DaemonChanged':
      return `${event.body.daemon} ${event.body.change}`;
    case 'AccessDenied':
      return `SELinux denied ${event.body.permissions}${event.body.permissive ? ' (permissive: allowed all the same)' : ''} on ${printable(event.body.path ?? event.body.name ?? 'the image', 160)}`;
    case 'GapDetected':
      return `records missing: ${printable(event.body.detail, 200)}`;
    case 'GuestsListed':
    case 'ImageAssigned':
    case 'HostFactsRead':
    case 'Heartbeat':
      return null;
  }
}

function relabelText(event: EventOf<'RelabelObserved'>, judgement: Judgement, view: GuestView): string {
  const { body } = event;
  const asked = askedText(body, 'an unknown label');
  const what = `${printable(body.comm ?? body.call, 40)} set ${printable(judgement.call.file.path ?? body.path ?? 'the image', 160)} to ${asked}`;
  const failed = body.success === false ? ` (refused, errno ${body.exit === null ? '?' : -body.exit})` : '';
  if (judgement.verdict === 'violation') {
    return `VIOLATION: ${what} while ${printable(view.ref.name ?? 'the guest', 80)} ran on ${judgement.owner ?? 'another host'}`;
  }
  return `${judgement.verdict === 'undetermined' ? 'UNDETERMINED: ' : ''}${what}${failed}`;
}

function intendedText({ body }: EventOf<'RelabelIntended'>): string | null {
  const path = body.path === null ? 'the images' : printable(body.path, 160);
  switch (body.operation) {
    case 'restore-all':
      return `libvirt restores the guest's labels${body.migrated === false ? ' as if no migration were under way' : body.migrated ? ', sparing shared storage that it knows' : ''}`;
    case 'skip-shared':
      return `libvirt leaves ${path} alone: it knows the storage is shared`;
    case 'restore':
    case 'set':
    case 'unsupported':
    case 'not-permitted':
    case 'read-only':
      return null; // told by the call itself
  }
}
