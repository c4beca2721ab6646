import { createState, decide, evolve } from '../../../src/correlate/correlate.js';
import type { MigrationReport, RelabelReport, Report } from '../../../src/domain/report.js';
import type { Event } from '../../../src/events/event.js';
import type { Plan } from '../../../src/sim/plan.js';
import type { TrueMigration, TrueRelabel, Truth } from '../../../src/sim/truth.js';

/** Where a report contradicts the truth. */
export interface Contradiction {
  /** short and the same for the same kind of fault, for counting */
  kind: string;
  /** id of the relabel, or the guest of the migration */
  about: string;
  text: string;
}

export function reportOn(events: readonly Event[]): Report {
  const state = createState();
  for (const event of events) evolve(state, event);
  return decide(state);
}

export function contradictions(plan: Plan, truth: Truth, report: Report): Contradiction[] {
  return [
    ...judgedWrongly(truth, report),
    ...(collectsAll(plan) ? migrationsToldWrongly(truth, report) : []),
  ];
}

/** What must hold even where evidence is missing: nobody is accused wrongly, and no violation is called clean. */
export function judgedWrongly(truth: Truth, report: Report): Contradiction[] {
  const verdicts = new Map(report.relabels.map((relabel) => [relabel.id, relabel]));
  return truth.relabels.flatMap((relabel) => {
    const kind = faultOf(relabel, verdicts.get(relabel.id));
    return kind === null
      ? []
      : [{ kind, about: relabel.id, text: described(relabel, verdicts.get(relabel.id)) }];
  });
}

function faultOf(truth: TrueRelabel, report: RelabelReport | undefined): string | null {
  if (truth.violation) {
    if (report === undefined)
      return truth.unknowable.length > 0 ? null : `violation without a verdict (${truth.cause})`;
    if (report.verdict === 'clean') return `violation called clean (${truth.cause}, ${report.reason})`;
    return null;
  }
  if (report?.verdict !== 'violation' || truth.unknowable.includes('already-wrong')) return null;
  return `legitimate call called violation (${report.reason})`;
}

/** How many of the violations that the records can prove the report does prove. */
export function provenOf(truth: Truth, report: Report): { knowable: number; proven: number } {
  const verdicts = new Map(report.relabels.map((relabel) => [relabel.id, relabel.verdict]));
  const knowable = truth.relabels.filter((relabel) => relabel.violation && relabel.unknowable.length === 0);
  const proven = knowable.filter((relabel) => verdicts.get(relabel.id) === 'violation');
  return { knowable: knowable.length, proven: proven.length };
}

function described(truth: TrueRelabel, report: RelabelReport | undefined): string {
  const owners = Object.entries(truth.owners).map(
    ([guest, owner]) => `${guest.slice(-4)}@${owner ?? 'nowhere'}`,
  );
  const told =
    report === undefined
      ? 'nothing'
      : `${report.verdict}, ${report.reason}, owner ${report.owner}, proof ${report.proof.join(' ')}; missing ${report.missing.map(({ text }) => text).join('; ')}`;
  return `${truth.host} #${truth.serial} ${truth.path} (${owners.join(' ')}): true: ${truth.violation ? `violation, ${truth.cause}` : `legitimate${truth.effective ? '' : ', no effect'}`}${truth.unknowable.length === 0 ? '' : ` (unknowable: ${truth.unknowable})`}; told: ${told}`;
}

/** Only where every hypervisor's streams are all collected can every migration be told. */
function collectsAll(plan: Plan): boolean {
  return plan.clusters.every(({ hosts }) =>
    hosts.every(({ role, streams }) => role === 'nfs-server' || streams.length === 5),
  );
}

function migrationsToldWrongly(truth: Truth, report: Report): Contradiction[] {
  // where the records allow several orders of hand-overs the hosts are named by the clocks, which are wrong here
  const byClocks = new Set(
    report.migrations.filter(({ certainty }) => certainty === 'by-clocks').map(({ guest }) => guest.uuid),
  );
  const untold = report.migrations.filter(({ guest }) => !byClocks.has(guest.uuid));
  const take = (accepts: (told: MigrationReport) => boolean) => {
    const index = untold.findIndex(accepts);
    return index < 0 ? undefined : untold.splice(index, 1)[0];
  };
  const faults: Contradiction[] = [];
  const migrations = truth.migrations.filter(({ guest }) => !byClocks.has(guest));
  const isUnfinished = ({ outcome }: TrueMigration) => outcome === 'unfinished';
  for (const migration of migrations.filter((each) => each.visible_on === 'both' && !isUnfinished(each))) {
    if (take((told) => isSame(migration, told)) !== undefined) continue;
    // which attempt of the source failed on which host cannot always be told: then each side stands alone
    const halves = HALVES.map((peer) => take((told) => isHalf(migration, told, peer)));
    if (migration.outcome !== 'succeeded' && halves.some((half) => half !== undefined)) continue;
    const text = `${migration.guest.slice(-4)} ${migration.from} -> ${migration.to} ${migration.outcome} is not told`;
    faults.push({ kind: `migration not told (${migration.outcome})`, about: migration.guest, text });
  }
  // what only one side saw, or what had not ended, may be told or not; anything will do for what had not ended
  const oneSided = migrations.filter((each) => each.visible_on !== 'both' && !isUnfinished(each));
  const halfTold = oneSided.filter((migration) => take((told) => isSame(migration, told)) === undefined);
  for (const migration of halfTold) take((told) => isHalf(migration, told, 'from'));
  for (const migration of migrations.filter(isUnfinished)) {
    take(
      (told) => isSame(migration, told) || isHalf(migration, told, 'from') || isHalf(migration, told, 'to'),
    );
  }
  for (const told of untold) {
    const text = `${told.guest.name} ${told.from} -> ${told.to} ${told.outcome} is told: ${told.text}`;
    faults.push({ kind: `migration made up (${told.outcome})`, about: told.guest.uuid ?? '', text });
  }
  return faults;
}

const ACCEPTED_OUTCOMES: Record<TrueMigration['outcome'], MigrationReport['outcome'][]> = {
  succeeded: ['succeeded'],
  // a lost daemon tells nobody
  failed: ['failed', 'unknown'],
  unfinished: ['succeeded', 'failed', 'unknown'],
};

function isSame(truth: TrueMigration, told: MigrationReport): boolean {
  return isAbout(truth, told) && told.from === truth.from && told.to === truth.to;
}

const HALVES = ['from', 'to'] as const;

/** The migration told by one side alone: `unknown` is the side that is not named. */
function isHalf(truth: TrueMigration, told: MigrationReport, unknown: 'from' | 'to'): boolean {
  const known = unknown === 'from' ? 'to' : 'from';
  return isAbout(truth, told) && told[unknown] === null && told[known] === truth[known];
}

function isAbout(truth: TrueMigration, told: MigrationReport): boolean {
  if (told.guest.uuid !== null && told.guest.uuid !== truth.guest) return false;
  return ACCEPTED_OUTCOMES[truth.outcome].includes(told.outcome);
}

/** Verdicts that flipped between `violation` and `clean` when events were taken away. */
export function flips(before: Report, after: Report): Contradiction[] {
  const former = new Map(before.relabels.map((relabel) => [relabel.id, relabel]));
  return after.relabels.flatMap((relabel) => {
    const was = former.get(relabel.id);
    if (was === undefined || was.verdict === relabel.verdict) return [];
    if (was.verdict === 'undetermined' || relabel.verdict === 'undetermined') return [];
    const text = `${relabel.host} #${relabel.serial}: ${was.verdict} (${was.reason}) became ${relabel.verdict} (${relabel.reason})`;
    return [{ kind: `flipped from ${was.verdict} to ${relabel.verdict}`, about: relabel.id, text }];
  });
}

/** What the report says, apart from the times and ids that move with a clock. */
export function essence(report: Report, nameOf: (id: string) => string = (id) => id): string {
  const relabels = report.relabels
    .map(({ id, verdict, reason, owner, effect, proof }) => [
      nameOf(id),
      verdict,
      reason,
      owner,
      effect,
      proof,
    ])
    .map((row) => JSON.stringify(row));
  const migrations = report.migrations
    .map(({ guest, from, to, outcome, owner_after, kind, certainty }) =>
      // names that rest on the clocks move with them
      certainty === 'by-clocks' ? [guest] : [guest, from, to, outcome, owner_after, kind],
    )
    .map((row) => JSON.stringify(row));
  const findings = report.findings
    .map(({ cause, severity, state, host, owner, guest, relabels: ids }) => [
      cause,
      severity,
      state,
      host,
      owner,
      guest,
      ids.map(nameOf).sort(),
    ])
    .map((row) => JSON.stringify(row));
  return [...relabels.sort(), ...migrations.sort(), ...findings.sort()].join('\n');
}
