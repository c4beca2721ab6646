import type { Cause } from '../domain/verdict.js';
import { daemonDies, daemonReturns } from './daemon.js';
import { canOpen, createIncarnation, endGuest, recordDisks, stopIncarnation, tenureOf } from './guest.js';
import {
  labelPrivateFiles,
  restoreAllLabels,
  restoreImageLabel,
  setAllLabels,
  setImageLabel,
} from './labelling.js';
import type { CausalWindow, Moment } from './ledger.js';
import type { MigrationCourse } from './plan.js';
import {
  recordMachineIds,
  recordStart,
  sayDomainEvent,
  sayJobCompleted,
  sayLifecycle,
  sayMigration,
  sayResume,
  sayStop,
} from './records.js';
import type { Activity } from './scheduler.js';
import { actOn, isHeard, message, pause, type Stage } from './stage.js';
import {
  type Incarnation,
  isShared,
  type SimDisk,
  type SimFile,
  type SimGuest,
  type SimHost,
} from './world.js';

/** One attempt to move a guest, as libvirt's protocol (version 3, peer to peer) does it. */

interface Attempt {
  guest: SimGuest;
  source: Incarnation;
  from: SimHost;
  to: SimHost;
  began_us: number;
}

const DESTINATION_CLEANUP: Cause = 'destination-cleanup-after-failure';
const MIGRATE_OUT = 5;

export function* migrateGuest(
  stage: Stage,
  source: Incarnation,
  to: SimHost,
  course: MigrationCourse,
  new_name: string | null,
): Activity {
  const { guest, host: from } = source;
  const attempt = { guest, source, from, to, began_us: stage.scheduler.now_us };
  if (course === 'refused-by-hook') {
    yield pause(stage, 50, 500);
    return conclude(stage, attempt, 'failed', 'neither');
  }
  const incoming = createIncarnation(stage, guest, to, 'main');
  if (new_name !== null) incoming.name = new_name;
  guest.receiving = incoming;
  const close = openWindow(stage, incoming, from);
  const ready = yield* prepare(stage, incoming, course);
  close();
  if (!ready) return conclude(stage, attempt, 'failed', 'destination');
  yield pause(stage, 100, 400);
  yield* beginCopy(stage, attempt);
  yield* FINISH[courseOf(course, source)](stage, attempt, incoming);
}

/** An image that the source can no longer write breaks the hand-over of a qcow2 chain. */
function courseOf(course: MigrationCourse, source: Incarnation): MigrationCourse {
  const handsOver = course === 'ok' || course === 'post-copy' || course.endsWith('-after-takeover');
  const isQcow2 = source.guest.disks.some(({ chain }) => chain[0]?.name.endsWith('.qcow2'));
  return handsOver && isQcow2 && !canOpen(source) ? 'fails-after-switchover' : course;
}

function conclude(
  stage: Stage,
  { guest, from, to, began_us }: Pick<Attempt, 'guest' | 'from' | 'to' | 'began_us'>,
  outcome: 'succeeded' | 'failed' | 'unfinished',
  visible_on: 'both' | 'destination' | 'neither',
): void {
  guest.receiving = null;
  stage.ledger.migration(
    {
      guest: guest.uuid,
      from: from.plan.name,
      to: to.plan.name,
      outcome,
      owner_after: guest.main?.host.plan.name ?? null,
      visible_on,
    },
    began_us,
    stage.scheduler.now_us,
  );
}

/** From now until it is closed, what the incoming guest's host does lies between these two acts of the source. */
function openWindow(stage: Stage, incoming: Incarnation, from: SimHost): () => void {
  const window: CausalWindow = { after: actOn(stage, from), before: null };
  incoming.window = window;
  return () => {
    window.before = actOn(stage, from);
    incoming.window = null;
  };
}

/** Prepare on the destination; false when it failed, with whatever cleaning up libvirt then does. */
function* prepare(stage: Stage, incoming: Incarnation, course: MigrationCourse): Activity<boolean> {
  recordMachineIds(stage, incoming);
  yield pause(stage, 20, 700);
  labelPrivateFiles(stage, incoming);
  const fail = function* (restores: boolean): Activity<boolean> {
    recordDisks(stage, incoming);
    sayDomainEvent(stage, incoming.host, incoming.name, 'control-error', '');
    recordStart(stage, incoming, 'migrated', false);
    yield pause(stage, 50, 300);
    if (restores) yield* restoreAllLabels(stage, incoming, true, 'rpc-libvirtd', DESTINATION_CLEANUP);
    return false;
  };
  if (course === 'prepare-fails-before-labelling') return yield* fail(false);
  const causes = { owner: 'destination-config-mismatch', context: 'destination-own-categories' } as const;
  if (course === 'prepare-fails-while-labelling') {
    // the child rolls its transaction back without asking whether the file is shared
    const disk = incoming.guest.disks[0] as SimDisk;
    const file = disk.chain[0] as SimFile;
    setImageLabel(stage, incoming, disk, file, causes);
    yield pause(stage, 5, 50);
    restoreImageLabel(stage, incoming, file, 'rpc-libvirtd', DESTINATION_CLEANUP);
    yield pause(stage, 50, 200);
    return yield* fail(false);
  }
  yield* setAllLabels(stage, incoming, causes);
  yield pause(stage, 300, 4500);
  if (course === 'prepare-fails-after-labelling' || !canOpen(incoming)) return yield* fail(true);
  sayMigration(stage, incoming.host, incoming.name, 'setup');
  recordDisks(stage, incoming);
  recordStart(stage, incoming, 'migrated', true);
  sayLifecycle(stage, incoming.host, incoming.name, 'Started', 'Migrated');
  yield pause(stage, 80, 200);
  sayMigration(stage, incoming.host, incoming.name, 'active');
  return true;
}

function* beginCopy(stage: Stage, { source, from, guest }: Attempt): Activity {
  const { name } = source;
  const copied = guest.disks.filter(({ chain }) => chain.some((file) => !isShared(file.storage)));
  for (const { target } of copied)
    sayDomainEvent(stage, from, name, 'block-job-2', `Block Copy for ${target} ready`);
  sayMigration(stage, from, name, 'setup');
  yield pause(stage, 20, 60);
  sayMigration(stage, from, name, 'active');
  sayDomainEvent(stage, from, name, 'migration-iteration', "iteration: '1'");
  yield pause(stage, 100, 5000);
}

type Finish = (stage: Stage, attempt: Attempt, incoming: Incarnation) => Activity;

const FINISH: Record<MigrationCourse, Finish> = {
  ok: finishPreCopy,
  'post-copy': finishPostCopy,
  'post-copy-fails': breakPostCopy,
  'aborted-before-switchover': abort,
  'fails-after-switchover': failAfterSwitchover,
  'destination-dies': loseDestination,
  'destination-daemon-restarts': restartDestinationDaemon,
  'source-daemon-dies-before-takeover': loseSourceDaemonEarly,
  'source-daemon-dies-after-takeover': loseSourceDaemonLate,
  'source-crashes-in-copy': crashInCopy,
  'source-crashes-after-takeover': crashAfterTakeover,
  'source-left-paused-after-takeover': leavePaused,
  // these end before the copy begins
  offline: abort,
  'refused-by-hook': abort,
  'prepare-fails-before-labelling': abort,
  'prepare-fails-while-labelling': abort,
  'prepare-fails-after-labelling': abort,
};

function* finishPreCopy(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const stop = yield* switchOver(stage, attempt);
  yield* takeOver(stage, attempt, incoming, stop);
  yield* confirm(stage, attempt);
}

/** The source stops its vCPUs; a paused guest has none to stop and shows nothing of it. */
function* switchOver(stage: Stage, { source, from }: Attempt): Activity<Moment> {
  const { name, paused } = source;
  const stop = actOn(stage, from);
  if (!paused) sayStop(stage, from, name);
  yield pause(stage, 5, 15);
  sayMigration(stage, from, name, 'pre-switchover');
  if (!paused) sayLifecycle(stage, from, name, 'Suspended', 'Migrated');
  yield pause(stage, 10, 40);
  sayMigration(stage, from, name, 'device');
  return stop;
}

function* takeOver(stage: Stage, attempt: Attempt, incoming: Incarnation, stop: Moment): Activity {
  const { guest, source, from, to } = attempt;
  const { name } = incoming;
  message(stage, guest, from, to);
  yield pause(stage, 20, 100);
  sayMigration(stage, to, name, 'completed');
  yield pause(stage, 20, 90);
  sayLifecycle(stage, to, name, 'Defined', 'Added');
  yield pause(stage, 30, 200);
  become(stage, guest, incoming, stop, isHeard(from) && isHeard(to));
  if (source.paused) {
    incoming.paused = true;
    sayLifecycle(stage, to, name, 'Suspended', 'Paused');
  } else {
    sayResume(stage, to, name);
    sayLifecycle(stage, to, name, 'Resumed', 'Migrated');
  }
  sayMigration(stage, from, source.name, 'completed');
}

function become(stage: Stage, guest: SimGuest, incoming: Incarnation, stop: Moment, seen: boolean): void {
  const taken = actOn(stage, incoming.host);
  stage.ledger.handOver(guest.uuid, stop, { ...tenureOf(incoming, seen), taken });
  guest.main = incoming;
  guest.name = incoming.name;
  guest.defined_on = incoming.host;
}

/** The destination's answer reaches the source, which clears its own side. */
function* confirm(stage: Stage, attempt: Attempt): Activity {
  const { guest, source, from, to } = attempt;
  message(stage, guest, to, from);
  yield pause(stage, 300, 700);
  yield* stopIncarnation(stage, source, 'migrated', {
    migrated: true,
    thread: 'rpc-libvirtd',
    cause: 'source-cleanup-after-handover',
  });
  sayJobCompleted(stage, from, source.name, MIGRATE_OUT);
  conclude(stage, attempt, 'succeeded', 'both');
}

function* enterPostCopy(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { guest, source, from, to } = attempt;
  const stop = yield* switchOver(stage, attempt);
  message(stage, guest, from, to);
  sayMigration(stage, to, incoming.name, 'postcopy-active');
  yield pause(stage, 20, 80);
  sayMigration(stage, from, source.name, 'postcopy-active');
  sayLifecycle(stage, from, source.name, 'Suspended', 'Post-copy');
  yield pause(stage, 30, 120);
  sayLifecycle(stage, to, incoming.name, 'Defined', 'Added');
  yield pause(stage, 100, 300);
  become(stage, guest, incoming, stop, isHeard(from) && isHeard(to));
  sayResume(stage, to, incoming.name);
  sayLifecycle(stage, to, incoming.name, 'Resumed', 'Post-copy');
  yield pause(stage, 10, 2000);
}

function* finishPostCopy(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  if (attempt.source.paused) return yield* finishPreCopy(stage, attempt, incoming);
  yield* enterPostCopy(stage, attempt, incoming);
  yield* completePostCopy(stage, attempt, incoming);
}

function* completePostCopy(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  sayMigration(stage, attempt.to, incoming.name, 'completed');
  sayLifecycle(stage, attempt.to, incoming.name, 'Resumed', 'Migrated');
  yield pause(stage, 30, 100);
  actOn(stage, attempt.to);
  sayMigration(stage, attempt.from, attempt.source.name, 'completed');
  yield* confirm(stage, attempt);
}

/** The destination has the guest and runs on; the source stays paused, with the rest of its memory. */
function* breakPostCopy(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { guest, source, from, to, began_us } = attempt;
  if (source.paused) return yield* finishPreCopy(stage, attempt, incoming);
  yield* enterPostCopy(stage, attempt, incoming);
  for (const [host, name, event] of [
    [from, source.name, 'Suspended'],
    [to, incoming.name, 'Resumed'],
  ] as const) {
    sayMigration(stage, host, name, 'postcopy-paused');
    sayLifecycle(stage, host, name, event, 'Post-copy Error');
  }
  source.post_copy_error = true;
  guest.leftover = source;
  guest.broken_migration = { from, to, began_us };
}

export function* recoverPostCopy(stage: Stage, guest: SimGuest): Activity {
  const { leftover: source, main: incoming, broken_migration } = guest;
  if (source === null || incoming === null || broken_migration === null) return;
  const { from, to, began_us } = broken_migration;
  sayMigration(stage, from, source.name, 'postcopy-recover');
  message(stage, guest, from, to);
  sayLifecycle(stage, from, source.name, 'Suspended', 'Post-copy');
  yield pause(stage, 10, 50);
  sayLifecycle(stage, to, incoming.name, 'Resumed', 'Post-copy');
  yield pause(stage, 200, 2000);
  guest.leftover = null;
  guest.broken_migration = null;
  yield* completePostCopy(stage, { guest, source, from, to, began_us }, incoming);
}

/** The history ends while post-copy is broken. */
export function giveUpPostCopy(stage: Stage, guest: SimGuest): void {
  if (guest.broken_migration !== null)
    conclude(stage, { guest, ...guest.broken_migration }, 'unfinished', 'both');
}

/** `virsh destroy` of what is left on the source: libvirt restores under the guest that runs elsewhere. */
export function* destroyLeftover(stage: Stage, guest: SimGuest): Activity {
  const { leftover: source, broken_migration } = guest;
  if (source === null || broken_migration === null) return;
  guest.leftover = null;
  guest.broken_migration = null;
  yield* stopIncarnation(stage, source, 'destroyed', {
    migrated: false,
    thread: 'prio-rpc-libvirtd',
    cause: 'postcopy-source-destroyed',
  });
  conclude(stage, { guest, ...broken_migration }, 'failed', 'both');
}

function* endIncoming(
  stage: Stage,
  { from }: Attempt,
  incoming: Incarnation,
  reason: 'failed' | 'destroyed',
): Activity {
  const close = openWindow(stage, incoming, from);
  yield* stopIncarnation(stage, incoming, reason, {
    migrated: true,
    thread: 'rpc-libvirtd',
    cause: DESTINATION_CLEANUP,
  });
  close();
}

function* abort(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { source, from } = attempt;
  sayMigration(stage, from, source.name, 'cancelling');
  yield pause(stage, 20, 60);
  sayMigration(stage, from, source.name, 'cancelled');
  yield pause(stage, 50, 200);
  yield* endIncoming(stage, attempt, incoming, 'failed');
  conclude(stage, attempt, 'failed', 'both');
}

/** Either the source's QEMU notices and goes on at once, or the destination answers that it could not finish. */
function* failAfterSwitchover(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { source, from, to } = attempt;
  yield* switchOver(stage, attempt);
  sayMigration(stage, to, incoming.name, 'failed');
  yield pause(stage, 20, 60);
  const sourceNotices = !canOpen(source) || stage.random.chance(0.5);
  if (sourceNotices) {
    sayMigration(stage, from, source.name, 'failed');
    resumeSource(stage, source, 'Unpaused');
    yield pause(stage, 100, 200);
  }
  yield* endIncoming(stage, attempt, incoming, 'failed');
  if (!sourceNotices) resumeSource(stage, source, 'Migrated');
  conclude(stage, attempt, 'failed', 'both');
}

function resumeSource(
  stage: Stage,
  { host, name, paused }: Incarnation,
  detail: 'Unpaused' | 'Migrated',
): void {
  if (paused) return;
  sayResume(stage, host, name);
  sayLifecycle(stage, host, name, 'Resumed', detail);
}

function* loseDestination(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { source, from } = attempt;
  yield* endIncoming(stage, attempt, incoming, 'failed');
  sayMigration(stage, from, source.name, 'failed');
  conclude(stage, attempt, 'failed', 'both');
}

/**
 * In mid-copy. A daemon stopped by systemd has forgotten, when it comes back, that the dead QEMU was an incoming
 * one, and restores as for any guest; one that was killed still knows.
 */
function* restartDestinationDaemon(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { source, from, to } = attempt;
  if (to.activities > 1) return yield* abort(stage, attempt, incoming);
  const killed = stage.random.chance(0.3);
  const death = daemonDies(stage, to);
  // the source has no part in what the restarted daemon does, whenever that is: the window stays open
  openWindow(stage, incoming, from);
  yield pause(stage, 300, 12_000);
  sayMigration(stage, from, source.name, 'cancelling');
  yield pause(stage, 20, 60);
  sayMigration(stage, from, source.name, 'cancelled');
  yield pause(stage, 1000, 30_000);
  const thread = `init-${incoming.name}`;
  const cleanUp = restoreAllLabels(stage, incoming, killed, thread, DESTINATION_CLEANUP);
  yield* daemonReturns(stage, to, death, cleanUp);
  conclude(stage, attempt, 'failed', 'both');
}

/** The destination gives up, and the restarted source resumes its guest without a word. */
function* loseSourceDaemonEarly(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { guest, from } = attempt;
  if (from.activities > 1) return yield* abort(stage, attempt, incoming);
  yield* switchOver(stage, attempt);
  yield pause(stage, 40, 100);
  const death = daemonDies(stage, from);
  stage.ledger.obscure(guest.uuid, actOn(stage, from));
  yield* endIncoming(stage, attempt, incoming, 'destroyed');
  yield pause(stage, 1000, 8000);
  yield* daemonReturns(stage, from, death, null);
  conclude(stage, attempt, 'failed', 'both');
}

/** After the take-over, before the source was told: its restarted daemon restores under the destination's guest. */
function* loseSourceDaemonLate(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  const { source, from } = attempt;
  if (from.activities > 1) return yield* finishPreCopy(stage, attempt, incoming);
  const stop = yield* switchOver(stage, attempt);
  // virsh must have printed the stop: it is flushed within tens of milliseconds
  yield* takeOver(stage, attempt, incoming, stop);
  const death = daemonDies(stage, from);
  yield pause(stage, 1000, 8000);
  const thread = `init-${source.name}`;
  const cleanUp = restoreAllLabels(stage, source, false, thread, 'source-restart-after-handover');
  yield* daemonReturns(stage, from, death, cleanUp);
  conclude(stage, attempt, 'failed', 'both');
}

/** Nobody runs the guest any more when the destination, which waits for the rest of it, gives up. */
function* crashInCopy(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  yield* endGuest(stage, attempt.source, 'failed');
  yield pause(stage, 20, 300);
  yield* endIncoming(stage, attempt, incoming, 'failed');
  conclude(stage, attempt, 'failed', 'both');
}

function* crashAfterTakeover(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  yield* loseAfterTakeover(stage, attempt, incoming, 'failed', pause(stage, 10, 200));
}

function* leavePaused(stage: Stage, attempt: Attempt, incoming: Incarnation): Activity {
  yield* loseAfterTakeover(stage, attempt, incoming, 'destroyed', pause(stage, 2_000, 40_000));
}

/** Not confirmed: libvirt ends the source's half as any guest's, under the one that runs elsewhere. */
function* loseAfterTakeover(
  stage: Stage,
  attempt: Attempt,
  incoming: Incarnation,
  reason: 'failed' | 'destroyed',
  after_us: number,
): Activity {
  const { source } = attempt;
  if (source.paused) return yield* finishPreCopy(stage, attempt, incoming);
  const stop = yield* switchOver(stage, attempt);
  yield* takeOver(stage, attempt, incoming, stop);
  yield after_us;
  yield* stopIncarnation(stage, source, reason, {
    migrated: false,
    thread: reason === 'failed' ? 'qemu-event' : 'prio-rpc-libvirtd',
    cause: 'source-cleanup-after-handover',
  });
  conclude(stage, attempt, 'failed', 'both');
}

/** Only the definition moves: the destination says so, the source nothing. */
export function* migrateOffline(stage: Stage, guest: SimGuest, to: SimHost): Activity {
  const from = guest.defined_on;
  const began_us = stage.scheduler.now_us;
  yield pause(stage, 200, 1500);
  sayLifecycle(stage, to, guest.name, 'Defined', 'Added');
  guest.defined_on = to;
  conclude(stage, { guest, from, to, began_us }, 'succeeded', 'destination');
}
