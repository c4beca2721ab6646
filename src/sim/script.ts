import { rebootHost } from './daemon.js';
import { commitDisk, plugDisk, snapshotDisk, unplugDisk } from './disks.js';
import { actAsForeigner } from './foreign.js';
import { endGuest, resumeGuest, saveAndRestore, startGuest, suspendGuest } from './guest.js';
import { destroyLeftover, migrateGuest, migrateOffline, recoverPostCopy } from './migration.js';
import type { Step } from './plan.js';
import { sayDomainEvent } from './records.js';
import { type Activity, ms } from './scheduler.js';
import { startSecond } from './second-start.js';
import type { Stage } from './stage.js';
import { hostNamed, type Incarnation, type SimGuest, type SimHost } from './world.js';

/** Plays one script; a step that makes no sense when its turn comes is left out. */
export function* playScript(stage: Stage, script: Step[]): Activity {
  for (const step of script) {
    if (step.do === 'wait') yield ms(step.ms);
    else {
      const activity = activityOf(stage, step);
      if (activity !== null) yield* activity;
    }
  }
}

function activityOf(stage: Stage, step: Exclude<Step, { do: 'wait' }>): Activity | null {
  if (step.do === 'reboot-host') return rebootIfIdle(stage, hostNamed(stage.world.hosts, step.host));
  const guest = stage.world.guests.find(({ uuid }) => uuid === step.guest);
  if (guest === undefined) return null;
  if (step.do === 'foreign') {
    return actAsForeigner(stage, step.act, guest, hostNamed(stage.world.hosts, step.on));
  }
  if (guest.busy) return null;
  if (step.do === 'end-second')
    return ifThere(guest.second, (second) =>
      alone(second.guest, [second.host], endGuest(stage, second, 'destroyed')),
    );
  if (step.do === 'recover-post-copy') return onBroken(guest, recoverPostCopy(stage, guest));
  if (step.do === 'destroy-paused-source') return onBroken(guest, destroyLeftover(stage, guest));
  if (guest.broken_migration !== null) return null;
  if (step.do === 'start') return start(stage, guest, step.on);
  if (step.do === 'migrate' && step.course === 'offline') return moveOffline(stage, guest, step.to);
  return ifThere(guest.main, (main) => onRunning(stage, main, step));
}

type RunningStep = Exclude<Step, { do: 'wait' | 'reboot-host' | 'foreign' | 'start' | 'end-second' }>;

function onRunning(stage: Stage, main: Incarnation, step: RunningStep): Activity | null {
  const { guest, host } = main;
  const here = (activity: Activity) => alone(guest, [host], activity);
  switch (step.do) {
    case 'shutdown':
      return main.paused ? null : here(endGuest(stage, main, 'shutdown'));
    case 'destroy':
      return here(endGuest(stage, main, 'destroyed'));
    case 'suspend':
      return main.paused ? null : here(suspendGuest(stage, main));
    case 'resume':
      return main.paused ? here(resumeGuest(stage, main)) : null;
    case 'reboot':
      sayDomainEvent(stage, host, main.name, 'reboot', '');
      return null;
    case 'save-and-restore':
      return here(saveAndRestore(stage, main));
    case 'hotplug':
      return here(plugDisk(stage, main));
    case 'unplug':
      return here(unplugDisk(stage, main));
    case 'snapshot':
      return here(snapshotDisk(stage, main));
    case 'block-commit':
      return here(commitDisk(stage, main));
    case 'second-start': {
      const other = otherHost(stage, host, step.on);
      if (other === null || guest.second !== null) return null;
      return alone(guest, [other], startSecond(stage, guest, other, step.locked));
    }
    case 'migrate': {
      const to = otherHost(stage, host, step.to);
      if (to === null || guest.second !== null) return null;
      return alone(guest, [host, to], migrateGuest(stage, main, to, step.course, step.new_name ?? null));
    }
    default:
      return null;
  }
}

function start(stage: Stage, guest: SimGuest, on: string | undefined): Activity | null {
  if (guest.main !== null || guest.second !== null) return null;
  const host = on === undefined ? guest.defined_on : hostNamed(stage.world.hosts, on);
  return alone(guest, [host], startGuest(stage, guest, host));
}

function moveOffline(stage: Stage, guest: SimGuest, to_name: string | undefined): Activity | null {
  const to = otherHost(stage, guest.defined_on, to_name);
  if (guest.main !== null || guest.second !== null || to === null) return null;
  return alone(guest, [guest.defined_on, to], migrateOffline(stage, guest, to));
}

function rebootIfIdle(stage: Stage, host: SimHost): Activity | null {
  const used = stage.world.guests.some((guest) =>
    [guest.main, guest.second, guest.leftover].some((incarnation) => incarnation?.host === host),
  );
  return used || host.activities > 0 || !host.daemon_up ? null : occupy(host, rebootHost(stage, host));
}

function otherHost(stage: Stage, host: SimHost, wanted: string | undefined): SimHost | null {
  const others = stage.world.hosts.filter(
    (other) =>
      other !== host && other.plan.role === 'hypervisor' && (wanted ?? other.plan.name) === other.plan.name,
  );
  return others.length === 0 ? null : stage.random.pick(others);
}

function onBroken(guest: SimGuest, activity: Activity): Activity | null {
  const { broken_migration } = guest;
  return broken_migration === null
    ? null
    : alone(guest, [broken_migration.from, broken_migration.to], activity);
}

function ifThere(
  incarnation: Incarnation | null,
  act: (there: Incarnation) => Activity | null,
): Activity | null {
  return incarnation === null ? null : act(incarnation);
}

/** One long act a guest at a time, and none on a host whose daemon is down. */
function alone(guest: SimGuest, hosts: SimHost[], activity: Activity): Activity | null {
  if (hosts.some((host) => !host.daemon_up)) return null;
  guest.busy = true;
  return whileBusy(guest, hosts, activity);
}

function* whileBusy(guest: SimGuest, hosts: SimHost[], activity: Activity): Activity {
  for (const host of hosts) host.activities++;
  yield* activity;
  for (const host of hosts) host.activities--;
  guest.busy = false;
}

function* occupy(host: SimHost, activity: Activity): Activity {
  host.activities++;
  yield* activity;
  host.activities--;
}
