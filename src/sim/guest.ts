import type { Cause } from '../domain/verdict.js';
import {
  type LabelCauses,
  labelPrivateFiles,
  NO_BLAME,
  restoreAllLabels,
  setAllLabels,
} from './labelling.js';
import type { BegunTenure, Lane, Needs } from './ledger.js';
import {
  recordDisk,
  recordMachineIds,
  recordStart,
  recordStop,
  sayDomainEvent,
  sayLifecycle,
  sayMigration,
  sayResume,
  sayStop,
} from './records.js';
import type { Activity } from './scheduler.js';
import { actOn, isHeard, pause, type Stage } from './stage.js';
import { type Incarnation, isShared, mayWrite, type SimGuest, type SimHost } from './world.js';

/** The life of a guest on one host: start, stop, suspend, resume, save. */

export function createIncarnation(stage: Stage, guest: SimGuest, host: SimHost, lane: Lane): Incarnation {
  const { qemu_uid: uid, qemu_gid: gid, selinux } = host.plan;
  const categories = pickCategories(stage);
  const needs: Needs = {
    uid,
    gid,
    context: selinux === 'disabled' ? null : `system_u:object_r:svirt_image_t:s0:${categories}`,
  };
  return {
    guest,
    host,
    lane,
    name: guest.name,
    domain_id: host.next_domain_id++,
    qemu_pid: host.next_pid++,
    needs,
    process_context: selinux === 'disabled' ? null : `system_u:system_r:svirt_t:s0:${categories}`,
    labels_stated: false,
    paused: false,
    window: null,
    post_copy_error: false,
  };
}

/** libvirt writes the lower category first. */
function pickCategories(stage: Stage): string {
  const low = stage.random.between(0, 1022);
  return `c${low},c${stage.random.between(low + 1, 1023)}`;
}

export function tenureOf(incarnation: Incarnation, seen: boolean): BegunTenure {
  const { host, needs, labels_stated } = incarnation;
  return { host: host.index, needs, seen, needs_stated: labels_stated, taken: null };
}

/** Is a change of this guest's state on this host collected, by libvirt's events or by VIRT_CONTROL? */
function isStartSeen(host: SimHost): boolean {
  return host.plan.streams.includes('audit') || isHeard(host);
}

/** `virsh start` on the host that has the definition. */
export function* startGuest(stage: Stage, guest: SimGuest, host: SimHost): Activity {
  const incarnation = createIncarnation(stage, guest, host, 'main');
  guest.defined_on = host;
  yield* prepareBoot(stage, incarnation, NO_BLAME);
  if (!canOpen(incarnation)) {
    yield* failBoot(stage, incarnation, null);
    return;
  }
  finishBoot(stage, incarnation, isStartSeen(host));
  yield pause(stage, 10, 30);
  recordBooted(stage, incarnation, 'booted');
}

export function* prepareBoot(stage: Stage, incarnation: Incarnation, causes: LabelCauses): Activity {
  recordMachineIds(stage, incarnation);
  yield pause(stage, 20, 900);
  labelPrivateFiles(stage, incarnation);
  yield* setAllLabels(stage, incarnation, causes);
  yield pause(stage, 200, 4000);
}

export function finishBoot(stage: Stage, incarnation: Incarnation, seen: boolean): void {
  const { guest, host, lane, name } = incarnation;
  guest[lane] = incarnation;
  stage.ledger.beginTenure(guest.uuid, lane, actOn(stage, host), tenureOf(incarnation, seen));
  sayResume(stage, host, name);
  sayLifecycle(stage, host, name, 'Resumed', 'Unpaused');
}

export function recordBooted(stage: Stage, incarnation: Incarnation, reason: 'booted' | 'restored'): void {
  recordDisks(stage, incarnation);
  recordStart(stage, incarnation, reason, true);
  const detail = reason === 'booted' ? 'Booted' : 'Restored';
  sayLifecycle(stage, incarnation.host, incarnation.name, 'Started', detail);
}

/** A start that fails after labelling gives the labels back and is recorded last. */
export function* failBoot(stage: Stage, incarnation: Incarnation, cause: Cause | null): Activity {
  const { host, name } = incarnation;
  sayDomainEvent(stage, host, name, 'control-error', '');
  yield pause(stage, 40, 120);
  yield* restoreAllLabels(stage, incarnation, false, 'rpc-libvirtd', cause);
  yield pause(stage, 100, 300);
  recordDisks(stage, incarnation);
  recordStart(stage, incarnation, 'booted', false);
}

/** Only the active image of each disk has a record, and only after it is labelled. */
export function recordDisks(stage: Stage, incarnation: Incarnation): void {
  for (const disk of incarnation.guest.disks) {
    const [active] = disk.chain;
    if (active !== undefined) recordDisk(stage, incarnation, 'start', null, active);
  }
}

/** Could QEMU open every image with the labels that they have now? */
export function canOpen(incarnation: Incarnation): boolean {
  return incarnation.guest.disks.every(({ chain, read_only }) =>
    chain.every(
      (file, depth) => read_only || depth > 0 || !isShared(file.storage) || mayWrite(incarnation.needs, file),
    ),
  );
}

export type StopReason = 'shutdown' | 'destroyed' | 'saved' | 'migrated' | 'failed';

const STOPPED_DETAIL: Record<StopReason, string> = {
  shutdown: 'Shutdown',
  destroyed: 'Destroyed',
  saved: 'Saved',
  migrated: 'Migrated',
  failed: 'Failed',
};

/** From the death of QEMU to `Stopped`: the labels go back first, the record comes after. */
export function* stopIncarnation(
  stage: Stage,
  incarnation: Incarnation,
  reason: StopReason,
  restore: { migrated: boolean; thread: string; cause: Cause | null },
): Activity {
  const { host, name } = incarnation;
  const by = reason === 'shutdown' ? 'guest' : 'host';
  sayLifecycle(stage, host, name, 'Shutdown', `Finished after ${by} request`);
  yield pause(stage, 20, 300);
  yield* restoreAllLabels(stage, incarnation, restore.migrated, restore.thread, restore.cause);
  yield pause(stage, 30, 250);
  recordStop(stage, incarnation, reason);
  sayLifecycle(stage, host, name, 'Stopped', STOPPED_DETAIL[reason]);
}

/** Which of libvirt's threads ends a guest, where it is none of the ordinary workers. */
const THREADS: Partial<Record<StopReason, string>> = { destroyed: 'prio-rpc-libvirtd', failed: 'qemu-event' };

/** The guest's end on the host that owns it. */
export function* endGuest(
  stage: Stage,
  incarnation: Incarnation,
  reason: Exclude<StopReason, 'migrated'>,
): Activity {
  const { guest, host, lane } = incarnation;
  guest[lane] = null;
  const thread = THREADS[reason] ?? 'rpc-libvirtd';
  stage.ledger.endTenure(guest.uuid, lane, actOn(stage, host), isStartSeen(host));
  // libvirt restores although another incarnation of the guest may run elsewhere
  yield* stopIncarnation(stage, incarnation, reason, { migrated: false, thread, cause: 'second-start' });
}

export function* suspendGuest(stage: Stage, incarnation: Incarnation): Activity {
  const { host, name } = incarnation;
  sayStop(stage, host, name);
  yield pause(stage, 5, 60);
  sayLifecycle(stage, host, name, 'Suspended', 'Paused');
  incarnation.paused = true;
}

export function* resumeGuest(stage: Stage, incarnation: Incarnation): Activity {
  const { host, name } = incarnation;
  sayResume(stage, host, name);
  yield pause(stage, 1, 10);
  sayLifecycle(stage, host, name, 'Resumed', 'Unpaused');
  incarnation.paused = false;
}

/** `virsh save` and `virsh restore` on the same host: the record says `restored`, the events `Snapshot`. */
export function* saveAndRestore(stage: Stage, incarnation: Incarnation): Activity {
  const { guest, host, name } = incarnation;
  if (!incarnation.paused) yield* suspendGuest(stage, incarnation);
  for (const status of ['setup', 'active', 'device', 'completed']) {
    sayMigration(stage, host, name, status);
    yield pause(stage, 30, 400);
  }
  yield* endGuest(stage, incarnation, 'saved');
  yield pause(stage, 3000, 20_000);
  const restored = createIncarnation(stage, guest, host, 'main');
  yield* prepareBoot(stage, restored, NO_BLAME);
  sayMigration(stage, host, name, 'setup');
  sayMigration(stage, host, name, 'active');
  recordBooted(stage, restored, 'restored');
  sayMigration(stage, host, name, 'completed');
  yield pause(stage, 100, 800);
  guest.main = restored;
  stage.ledger.beginTenure(guest.uuid, 'main', actOn(stage, host), tenureOf(restored, isStartSeen(host)));
  sayResume(stage, host, name);
  sayLifecycle(stage, host, name, 'Resumed', 'Snapshot');
}
