import { printable } from '../domain/byte-text.js';
import { getOrMake } from '../domain/group.js';
import { formatOwner } from '../domain/label.js';
import type { FindingReport, ImageRef } from '../domain/report.js';
import type { Cause, MissingEvidence, Severity, Verdict } from '../domain/verdict.js';
import type { Event, EventOf } from '../events/event.js';
import { causeOf, EXPLANATIONS } from './causes.js';
import type { FleetView, GuestView } from './guest-view.js';
import { accessAfter, impactText, type Suffering } from './impact.js';
import { effectOf, type Judgement } from './judge.js';
import type { Migration } from './migrations.js';
import { timeAt } from './migrations.js';
import { asksForOwner, asksWhatIsNeeded } from './need.js';
import { imageRef } from './relabel-report.js';
import { remedyOf } from './remedy.js';
import { stableId } from './stable-id.js';
import { askedText, contextText, guestText } from './wording.js';

/** One finding per cause, guest and host, whatever the number of calls. */
export function relabelFindings(view: GuestView, fleet: FleetView): FindingReport[] {
  const groups = new Map<string, { cause: Cause; judgements: Judgement[] }>();
  for (const judgement of view.judgements) {
    if (judgement.verdict === 'clean') continue;
    const cause = causeOf(judgement);
    const key = `${cause}\n${judgement.call.record.host}`;
    getOrMake(groups, key, () => ({ cause, judgements: [] })).judgements.push(judgement);
  }
  const findings = [...groups.values()].map(({ cause, judgements }) =>
    makeFinding(cause, judgements, view, fleet),
  );
  return shareErrors(findings, view);
}

function makeFinding(
  cause: Cause,
  all: readonly Judgement[],
  view: GuestView,
  fleet: FleetView,
): FindingReport {
  const proven = all.filter((judgement) => judgement.verdict === 'violation');
  const judgements = proven.length > 0 ? proven : all;
  const verdict: Verdict = proven.length > 0 ? 'violation' : 'undetermined';
  const first = judgements[0] as Judgement;
  const { host } = first.call.record;
  const owner = agreed(judgements.map((judgement) => judgement.owner));
  const ownerRecord = owner === null ? null : (fleet.records.get(owner) ?? null);
  const migration = migrationBehind(first, view.migrations);
  const access = accessAfter(judgements, ownerRecord);
  const sufferer = owner ?? suffererAmong(judgements, view);
  const suffering = sufferer === null ? null : (view.suffering.get(sufferer) ?? null);
  const errors = suffering?.denied ?? [];
  const resolved = resolutionOf(cause, judgements, migration, suffering, view, fleet);
  const paused = suffering?.paused ?? false;
  const remedy = remedyOf(cause, judgements, owner, view.ref.name, paused, fleet.records);
  return {
    id: stableId('F', view.key, cause, host, verdict === 'violation' ? null : 'undetermined'),
    kind: 'relabel',
    cause,
    severity: severityOf(verdict, access, cause, migration, resolved !== null),
    state: resolved === null ? 'open' : 'resolved',
    guest: view.ref,
    host,
    owner,
    migration: migration?.report.id ?? null,
    images: distinctImages(judgements),
    opened_us: first.call.event.at,
    resolved_us: resolved?.at_us ?? null,
    exposure_ms: exposureOf(first.call.event, errors[0] ?? null, resolved),
    impact: {
      access,
      io_errors: errors.length,
      first_io_error_us: errors[0]?.at ?? null,
      paused,
      text: impactText(access, errors.length, paused, view.ref, owner),
    },
    relabels: judgements.map((judgement) => judgement.call.event.id),
    summary: summaryOf(judgements, view, owner, verdict),
    explanation: EXPLANATIONS[cause],
    remedy: resolved === null ? remedy : { commands: [], prevention: remedy.prevention },
    verdict,
    proof: [...new Set(judgements.flatMap((judgement) => judgement.proof))],
    missing: distinctMissing(judgements.flatMap((judgement) => judgement.missing)),
    revision: 1,
  };
}

/** Of several hosts that may have run the guest then, the only one where it was refused I/O. */
function suffererAmong(judgements: readonly Judgement[], view: GuestView): string | null {
  const hosts = new Set(judgements.flatMap(({ owners }) => owners.map(({ host }) => host)));
  const suffering = [...hosts].filter((host) => (view.suffering.get(host)?.denied.length ?? 0) > 0);
  return suffering.length === 1 ? (suffering[0] as string) : null;
}

/**
 * How long the image was wrong, on one clock: from the relabel, or where the repair was made on another host from the
 * first I/O that was refused there, which is later than the relabel.
 */
function exposureOf(
  relabel: Event,
  refused: EventOf<'GuestIoError'> | null,
  resolved: Resolution | null,
): number | null {
  const began = [relabel, refused].find((event) => event?.host === resolved?.host);
  if (!resolved || !began || began.at > resolved.at_us) return null;
  return (resolved.at_us - began.at) / 1000;
}

function agreed<T>(values: readonly T[]): T | null {
  const distinct = new Set(values);
  return distinct.size === 1 ? (values[0] as T) : null;
}

/** The attempt that the relabel belongs to: the one of the incarnation it happened in. */
function migrationBehind({ local }: Judgement, migrations: readonly Migration[]): Migration | null {
  if (!local || local.state === 'silent') return null;
  const incarnation = local.state === 'absent' ? local.last : local.incarnation;
  if (!incarnation) return null;
  return (
    migrations.find((migration) => migration.destination === incarnation) ??
    migrations.findLast((migration) => migration.source === incarnation) ??
    null
  );
}

interface Resolution {
  host: string;
  at_us: number;
}

/**
 * What gave the owner its access back: the destination took the guest over with the label it had set, or a later
 * call asked for the needed label on every image. Calls of other hosts cannot be ordered against the relabel; that
 * one of them was the repair shows when the owner reports no refused I/O after it.
 */
function resolutionOf(
  cause: Cause,
  judgements: readonly Judgement[],
  migration: Migration | null,
  suffering: Suffering | null,
  view: GuestView,
  fleet: FleetView,
): Resolution | null {
  const destination = migration?.destination;
  const byDestination = cause === 'destination-config-mismatch' || cause === 'destination-own-categories';
  if (byDestination && destination && destination.owns !== null) {
    const record = fleet.records.get(destination.host);
    const at = record ? timeAt(record, destination.owns) : null;
    if (at !== null) return { host: destination.host, at_us: at };
  }
  let latest: Resolution | null = null;
  for (const judgement of lastPerFile(judgements)) {
    const repair = repairOf(judgement, suffering, view, fleet);
    if (!repair) return null;
    if (!latest || repair.at_us > latest.at_us) latest = repair;
  }
  return latest;
}

function lastPerFile(judgements: readonly Judgement[]): Judgement[] {
  return [...new Map(judgements.map((judgement) => [judgement.call.file.id, judgement])).values()];
}

/** NFS clients go on refusing for a moment after the repair. */
const REFUSED_AFTER_REPAIR_US = 3_000_000;

function repairOf(
  judgement: Judgement,
  suffering: Suffering | null,
  view: GuestView,
  fleet: FleetView,
): Resolution | null {
  const { need, use } = judgement;
  // which label would have been the repair is not known when the possible owners need different ones
  if (!need || !judgement.needIsCertain) return null;
  const wantsOwner = asksForOwner(judgement.call.event.body);
  const repairs = fleet
    .callsOnFile(judgement.call.file.id)
    .filter(
      ({ event: { body } }) =>
        body.success === true &&
        asksForOwner(body) === wantsOwner &&
        asksWhatIsNeeded(body, need, use) === 'same',
    );
  for (const repair of repairs) {
    const sameHost = repair.record === judgement.call.record;
    if (sameHost && repair.position < judgement.call.position) continue;
    const onOwner = repair.record.host === judgement.owner;
    const refused =
      suffering?.denied.some((error) => error.at > repair.event.at + REFUSED_AFTER_REPAIR_US) ?? false;
    // only the owner's host has one clock with the refused I/O, and only a repair that found the label wrong came after
    if (!sameHost && !(onOwner && effectOf(repair.event.body) === 'changed')) continue;
    if (onOwner && refused) continue;
    // a relabel by the owner's own start does not repair what came after it
    if (view.judgements.some((each) => each.call === repair && each.verdict === 'violation')) continue;
    return { host: repair.record.host, at_us: repair.event.at };
  }
  return null;
}

function severityOf(
  verdict: Verdict,
  access: FindingReport['impact']['access'],
  cause: Cause,
  migration: Migration | null,
  resolved: boolean,
): Severity {
  if (verdict === 'undetermined') return 'warning';
  const succeeded = migration?.report.outcome === 'succeeded';
  if (cause === 'destination-own-categories' && succeeded) return 'info';
  if (access === 'lost' || access === 'read-only') return 'critical';
  if (access === 'lost-on-refresh') return resolved ? 'warning' : 'critical';
  return resolved ? 'info' : 'warning';
}

function distinctImages(judgements: readonly Judgement[]): ImageRef[] {
  return [
    ...new Map(judgements.map((judgement) => [judgement.call.file.id, imageRef(judgement.call)])).values(),
  ];
}

function distinctMissing(all: readonly MissingEvidence[]): MissingEvidence[] {
  return [...new Map(all.map((each) => [`${each.what}\n${each.host}\n${each.text}`, each])).values()];
}

function summaryOf(
  judgements: readonly Judgement[],
  view: GuestView,
  owner: string | null,
  verdict: Verdict,
): string {
  const first = judgements[0] as Judgement;
  const { body } = first.call.event;
  const guest = guestText(view.ref);
  const files = distinctImages(judgements);
  const image = printable(files[0]?.path ?? files[0]?.inode ?? 'an image', 160);
  const more = files.length > 1 ? ` and ${files.length - 1} more` : '';
  const actor = printable(body.comm ?? body.exe ?? 'a program', 40);
  const asked = askedText(body, 'another SELinux label');
  const needed = asksForOwner(body)
    ? first.need?.owner && formatOwner(first.need.owner)
    : first.need?.context && contextText(first.need.context);
  const where = owner === null ? 'another host' : owner;
  const need = needed ? `, which needs ${needed}` : '';
  if (verdict === 'undetermined') {
    return `${actor} on ${first.call.record.host} set ${image}${more} of ${guest} to ${asked}; whether that took the image from the running guest cannot be told from these records`;
  }
  return `${actor} on ${first.call.record.host} set ${image}${more} to ${asked} while ${guest} ran on ${where}${need}`;
}

/**
 * Refused I/O counts for the findings that explain it: those that took the access away at once, else those that
 * do so later. A relabel that left the access as it was caused no error.
 */
function shareErrors(findings: FindingReport[], view: GuestView): FindingReport[] {
  const explains = (finding: FindingReport) =>
    finding.impact.access === 'lost' || finding.impact.access === 'read-only';
  const atOnce = findings.some(explains);
  return findings.map((finding) => {
    const { access } = finding.impact;
    const counts = atOnce ? explains(finding) : access === 'lost-on-refresh' || access === 'unknown';
    if (counts || finding.impact.io_errors === 0) return finding;
    const text = impactText(access, 0, finding.impact.paused, view.ref, finding.owner);
    return { ...finding, impact: { ...finding.impact, io_errors: 0, first_io_error_us: null, text } };
  });
}
