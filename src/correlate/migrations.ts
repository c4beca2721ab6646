import type { GuestRef, MigrationKind, MigrationReport } from '../domain/report.js';
import type { GuestCustody } from './custody.js';
import type { HostRecord } from './host-record.js';
import { BEFORE, type Incarnation } from './incarnation.js';
import { stableId } from './stable-id.js';

/** A migration with the incarnations it is made of, for what refers to it. */
export interface Migration {
  report: MigrationReport;
  source: Incarnation | null;
  destination: Incarnation | null;
}

/** Every attempt to move the guest that left a trace on either side. */
export function migrationsOf(
  custody: GuestCustody,
  records: ReadonlyMap<string, HostRecord>,
  guest: GuestRef,
): Migration[] {
  const incoming = custody.allIncarnations.filter((each) => each.kind === 'incoming');
  const migrations = incoming.map((destination) => fromDestination(destination, custody, records, guest));
  for (const host of new Set(custody.allIncarnations.map((each) => each.host))) {
    migrations.push(...recordedBySourceOnly(host, incoming, migrations, custody, records, guest));
  }
  migrations.push(...offlineMoves(custody, records, guest, migrations));
  return migrations.sort((a, b) => (a.report.id < b.report.id ? -1 : 1));
}

function fromDestination(
  destination: Incarnation,
  custody: GuestCustody,
  records: ReadonlyMap<string, HostRecord>,
  guest: GuestRef,
): Migration {
  const source = custody.sourceOf(destination);
  const from = source?.host ?? custody.onlyOtherHypervisor(destination.host);
  const record = records.get(destination.host) as HostRecord;
  const { outcome, ownerAfter, text } = outcomeOf(destination, source, from, records);
  return {
    source,
    destination,
    report: {
      id: stableId('M', custody.guest, destination.host, eventId(record, destination.opened, destination)),
      guest,
      kind: kindOf(destination, source, record),
      from,
      to: destination.host,
      began_us: timeAt(record, destination.opened),
      ended_us: timeAt(record, destination.owns ?? destination.ended),
      outcome,
      owner_after: ownerAfter,
      certainty: custody.ambiguous ? 'by-clocks' : 'proven',
      text,
    },
  };
}

type Outcome = { outcome: MigrationReport['outcome']; ownerAfter: string | null; text: string };

function outcomeOf(
  destination: Incarnation,
  source: Incarnation | null,
  from: string | null,
  records: ReadonlyMap<string, HostRecord>,
): Outcome {
  const to = destination.host;
  if (destination.owns === null) {
    if (destination.startFailed) return failed(from, `QEMU could not be started on ${to}`);
    if (destination.ended !== null && !destination.endUnseen) {
      return failed(from, `the guest ended on ${to} (${destination.endReason}) without having run there`);
    }
    const job = source ? lastJob(source) : null;
    if (job === 'failed' || job === 'cancelled')
      return failed(from, `the migration job on ${from} ended as ${job}`);
    if (source && from !== null && source.ended === null && isBack(source)) {
      return failed(from, `the guest went on on ${from}`);
    }
    if (destination.ended !== null) return failed(from, `the guest never ran on ${to}`);
    if (destination.daemonRestarts.length > 0)
      return failed(from, `libvirt on ${to} was restarted during the copy`);
    return {
      outcome: 'unknown',
      ownerAfter: from,
      text: `no record tells how it ended; the guest had not run on ${to}`,
    };
  }
  if (!source || !records.has(source.host)) {
    return {
      outcome: 'succeeded',
      ownerAfter: to,
      text: `${to} took the guest over; the source's record is not here`,
    };
  }
  if (source.endReason === 'migrated' && !source.endUnseen) {
    return {
      outcome: 'succeeded',
      ownerAfter: to,
      text: `${to} took the guest over and ${from} confirmed the hand-over`,
    };
  }
  if (source.ended !== null || source.daemonRestarts.some((at) => at > handedOverAt(source))) {
    return {
      outcome: 'failed',
      ownerAfter: to,
      text: `the guest runs on ${to}, but ${from} never confirmed the hand-over: libvirt there reports a failure`,
    };
  }
  return {
    outcome: 'succeeded',
    ownerAfter: to,
    text: `${to} took the guest over; ${from} had not confirmed yet`,
  };
}

function failed(ownerAfter: string | null, text: string): Outcome {
  return { outcome: 'failed', ownerAfter, text };
}

function isBack(source: Incarnation): boolean {
  return source.handOvers.length > 0 && source.handOvers.every((handOver) => handOver.result === 'resumed');
}

function handedOverAt(source: Incarnation): number {
  return source.handOvers.at(-1)?.from ?? BEFORE;
}

function lastJob(source: Incarnation): string | null {
  return source.jobs.at(-1)?.status ?? null;
}

function kindOf(destination: Incarnation, source: Incarnation | null, record: HostRecord): MigrationKind {
  if (source?.handOvers.some((handOver) => handOver.postCopy)) return 'post-copy';
  if (destination.owns === null || destination.owns === BEFORE) return 'live';
  const takeOver = record.events[destination.owns];
  if (takeOver?.kind === 'LifecycleChanged') {
    if (takeOver.body.detail === 'Paused') return 'paused';
    if (takeOver.body.detail === 'Post-copy') return 'post-copy';
  }
  return 'live';
}

/**
 * Attempts that only the source recorded: the destination's logs are not here, or nothing began there. A failed job
 * and a failed incoming guest are the two ends of one attempt, so only jobs beyond the number of these count.
 */
function recordedBySourceOnly(
  host: string,
  incoming: readonly Incarnation[],
  known: readonly Migration[],
  custody: GuestCustody,
  records: ReadonlyMap<string, HostRecord>,
  guest: GuestRef,
): Migration[] {
  const record = records.get(host) as HostRecord;
  const to = custody.onlyOtherHypervisor(host);
  const found: Migration[] = [];
  const add = (source: Incarnation, at: number, until: number | null, outcome: Outcome) => {
    found.push({
      source,
      destination: null,
      report: {
        id: stableId('M', custody.guest, host, eventId(record, at, source), 'source'),
        guest,
        kind: source.handOvers.some((handOver) => handOver.postCopy) ? 'post-copy' : 'live',
        from: host,
        to,
        began_us: timeAt(record, at),
        ended_us: timeAt(record, until),
        outcome: outcome.outcome,
        owner_after: outcome.ownerAfter,
        certainty: 'proven',
        text: outcome.text,
      },
    });
  };
  const jobs = custody
    .incarnationsOf(host)
    .flatMap((source) => source.jobs.map((job) => ({ source, job })))
    .filter(({ job }) => job.status === 'failed' || job.status === 'cancelled');
  const elsewhere = incoming.filter((each) => each.host !== host && each.owns === null && !each.startFailed);
  const mayBeOurs = known.filter(
    ({ destination, report }) =>
      destination !== null &&
      elsewhere.includes(destination) &&
      (report.from === host || report.from === null),
  );
  for (const { source, job } of jobs.slice(mayBeOurs.length)) {
    add(source, job.from, job.to, failed(host, `the migration job on ${host} ended as ${job.status}`));
  }
  for (const source of custody.incarnationsOf(host)) {
    const handOver = source.handOvers.at(-1);
    if (!handOver || handOver.result === 'resumed' || custody.hasSuccessor(source)) continue;
    if (handOver.result === 'ended') {
      const text = `${host} confirmed the hand-over; the destination's record is not here`;
      add(source, handOver.from, handOver.to, { outcome: 'succeeded', ownerAfter: to, text });
    } else if (mayBeOurs.length === 0) {
      const text = `${host} stopped the guest for hand-over; what followed is not recorded`;
      add(source, handOver.from, null, { outcome: 'unknown', ownerAfter: null, text });
    }
  }
  return found;
}

/**
 * An offline migration leaves one line: the destination defines the guest. The same line is written by
 * `virsh define`, so it counts only when the guest ran nowhere else and there is one host it can have come from.
 */
function offlineMoves(
  custody: GuestCustody,
  records: ReadonlyMap<string, HostRecord>,
  guest: GuestRef,
  others: readonly Migration[],
): Migration[] {
  const found: Migration[] = [];
  for (const { host, position } of custody.definitions) {
    const record = records.get(host) as HostRecord;
    const from = custody.onlyOtherHypervisor(host);
    const elsewhere = custody.allIncarnations.some((each) => each.host !== host);
    const incoming = others.some(({ destination }) => destination?.host === host);
    if (from === null || elsewhere || incoming) continue;
    found.push({
      source: null,
      destination: null,
      report: {
        id: stableId('M', custody.guest, host, (record.events[position] as { id: string }).id, 'offline'),
        guest,
        kind: 'offline',
        from,
        to: host,
        began_us: timeAt(record, position),
        ended_us: timeAt(record, position),
        outcome: 'succeeded',
        owner_after: null,
        certainty: 'inferred',
        text: `the guest was defined on ${host} while it ran nowhere: an offline migration, or virsh define`,
      },
    });
  }
  return found;
}

export function timeAt(record: HostRecord, position: number | null): number | null {
  if (position === null || position < 0) return null;
  return record.events[position]?.at ?? null;
}

function eventId(record: HostRecord, position: number, incarnation: Incarnation): string {
  return (
    record.events[position]?.id ??
    `before-${incarnation.ended === null ? 'open' : record.events[incarnation.ended]?.id}`
  );
}
