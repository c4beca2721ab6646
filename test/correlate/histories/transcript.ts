import { printable } from '../../../src/domain/byte-text.js';
import type { RelabelReport, Report } from '../../../src/domain/report.js';
import type { Event } from '../../../src/events/event.js';
import type { Plan } from '../../../src/sim/plan.js';
import type { History } from '../../../src/sim/simulate.js';
import type { TrueRelabel } from '../../../src/sim/truth.js';
import type { Contradiction } from './check.js';

/**
 * A failing history for the eye: events in true time with a lane for each host, the truth about every relabel and
 * what the report says of it. Guests that no contradiction is about are left out.
 */
export function transcript(plan: Plan, history: History, report: Report, faults: Contradiction[]): string {
  const names = new Map(plan.clusters.flatMap(({ guests }) => guests.map(({ uuid, name }) => [uuid, name])));
  const truths = new Map(history.truth.relabels.map((relabel) => [relabel.id, relabel]));
  const told = new Map(report.relabels.map((relabel) => [relabel.id, relabel]));
  const wanted = guestsOf(faults, truths);
  const lanes = plan.clusters.flatMap(({ hosts }) => hosts.map(({ name }) => name));
  const began_us = history.transcript[0]?.true_us ?? 0;
  const lines = history.transcript.flatMap(({ event, true_us }) => {
    const truth = truths.get(event.id);
    if (!concerns(event, truth, wanted, names)) return [];
    const text = textOf(event);
    if (text === null) return [];
    const lane = lanes.indexOf(event.host);
    const at = ((true_us - began_us) / 1e6).toFixed(3).padStart(9);
    const line = `${at} ${' '.repeat(lane * 4)}${event.host} ${STREAM_MARKS[event.stream] ?? event.stream} ${text}`;
    const verdict =
      truth === undefined ? [] : [`${' '.repeat(14 + lane * 4)}${verdictLine(truth, told.get(event.id))}`];
    return [line, ...verdict];
  });
  return [
    `seed ${plan.seed}`,
    ...plan.clusters.map(clusterLine),
    ...lines,
    'tenures:',
    ...history.truth.tenures
      .filter(({ guest }) => wanted.has(guest))
      .map(
        ({ guest, host, from_us, to_us }) =>
          `  ${names.get(guest)} @${host} ${elapsed(from_us, began_us)} … ${elapsed(to_us, began_us)}`,
      ),
    'true migrations:',
    ...history.truth.migrations
      .filter(({ guest }) => wanted.has(guest))
      .map(
        (m) =>
          `  ${names.get(m.guest)} ${m.from} -> ${m.to} ${m.outcome}, then @${m.owner_after}, seen by ${m.visible_on} (${elapsed(m.began_us, began_us)} … ${elapsed(m.ended_us, began_us)})`,
      ),
    'told migrations:',
    ...report.migrations
      .filter(({ guest }) => guest.uuid === null || wanted.has(guest.uuid))
      .map(
        (m) =>
          `  ${m.guest.name} ${m.from} -> ${m.to} ${m.outcome}, ${m.kind}, then @${m.owner_after}: ${m.text}`,
      ),
    'contradictions:',
    ...faults.map(({ kind, text }) => `  ${kind}: ${text}`),
  ].join('\n');
}

const STREAM_MARKS: Partial<Record<Event['stream'], string>> = {
  audit: 'A',
  'virsh-event': 'V',
  'qemu-monitor-event': 'M',
  'host-facts': 'F',
  collector: 'C',
};

function clusterLine({ name, hosts, storage, guests }: Plan['clusters'][number]): string {
  const hostText = hosts.map(
    (host) =>
      `${host.name}(${host.qemu_uid} ${host.selinux}${host.logs_relabel_avc ? '' : ' no-avc'} ${host.streams.length} streams, facts ${host.facts_at}, list ${host.guests_listed_at})`,
  );
  const guestText = guests.map(
    (guest) =>
      `${guest.name}=${guest.uuid.slice(-4)}@${guest.runs_on ?? `off:${guest.defined_on}`}[${guest.disks.map(({ chain }) => chain.join('<')).join(' ')}]`,
  );
  return `${name}: ${hostText.join(' ')} | ${storage.map(({ fs_type, labelled }) => `${fs_type}${labelled ? '+labels' : ''}`)} | ${guestText.join(' ')}`;
}

function guestsOf(faults: Contradiction[], truths: Map<string, TrueRelabel>): Set<string> {
  return new Set(faults.flatMap(({ about }) => truths.get(about)?.guests ?? [about]));
}

function concerns(
  event: Event,
  truth: TrueRelabel | undefined,
  wanted: Set<string>,
  names: Map<string, string>,
): boolean {
  if (truth !== undefined) return truth.guests.some((guest) => wanted.has(guest));
  if (!('guest' in event.body) || event.body.guest === null) return true;
  const { uuid, name } = event.body.guest;
  if (uuid !== null) return wanted.has(uuid);
  return [...wanted].some((guest) => name?.startsWith(names.get(guest) ?? ''));
}

function textOf(event: Event): string | null {
  switch (event.kind) {
    case 'GuestStarted':
      return `op=start ${event.body.reason} ${event.body.success ? 'ok' : 'FAILED'} #${event.body.serial}`;
    case 'GuestStopped':
      return `op=stop ${event.body.reason} #${event.body.serial}`;
    case 'GuestLabelAssigned':
      return `img-ctx ${event.body.model} ${event.body.image_label}`;
    case 'ImageAssigned':
      return `images ${event.body.reason} ${event.body.images.map(({ path }) => path?.split('/').at(-1)).join(' ')}`;
    case 'RelabelObserved': {
      const { call, asked_uid, asked_gid, asked_context, path, comm, before_uid, exit, serial } = event.body;
      return `${call} ${path} ${before_uid} -> ${asked_uid ?? '-'}:${asked_gid ?? '-'} ${asked_context ?? ''} exit=${exit} by ${comm} #${serial}`;
    }
    case 'LifecycleChanged':
      return `${event.body.event} ${event.body.detail} (${printable(event.body.guest.name ?? '')})`;
    case 'DomainEventSeen':
      return event.body.event === 'control-error' ? 'control-error' : null;
    case 'VcpusStopped':
      return 'STOP';
    case 'VcpusResumed':
      return 'RESUME';
    case 'MigrationStatusChanged':
      return `MIGRATION ${event.body.status}`;
    case 'GuestsListed':
      return `listed: ${event.body.guests.map(({ guest, state }) => `${guest.name} ${state}`).join(', ')}`;
    case 'GapDetected':
      return `gap ${event.body.kind} of ${event.body.of_stream} ${event.body.from} … ${event.body.to}`;
    case 'DaemonChanged':
      return `${event.body.daemon} ${event.body.change}`;
    default:
      return null;
  }
}

function verdictLine(truth: TrueRelabel, told: RelabelReport | undefined): string {
  const owners = Object.values(truth.owners).map((owner) => owner ?? 'nowhere');
  const real = truth.violation ? `VIOLATION ${truth.cause}` : truth.effective ? 'legitimate' : 'no effect';
  const doubt = truth.unknowable.length === 0 ? '' : ` unknowable:${truth.unknowable}`;
  const said =
    told === undefined ? 'no verdict' : `${told.verdict} (${told.reason}; ${told.proof.join(' ')})`;
  return `^ true: ${real}, owner ${owners.join(' ')}${doubt} | told: ${said}`;
}

function elapsed(at_us: number | null, began_us: number): string {
  return at_us === null ? '…' : ((at_us - began_us) / 1e6).toFixed(3);
}
