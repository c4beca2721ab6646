import type { Event, Mount } from '../events/event.js';
import { writeAsGuest } from './damage.js';
import { listGuests, readExports, readFacts } from './facts.js';
import { createIncarnation, tenureOf } from './guest.js';
import { Ledger, neededContext } from './ledger.js';
import { EventLog } from './log.js';
import { giveUpPostCopy } from './migration.js';
import type { ClusterPlan, Plan, StoragePlan } from './plan.js';
import { Random } from './random.js';
import { type Activity, ms, Scheduler, seconds } from './scheduler.js';
import { playScript } from './script.js';
import type { Stage } from './stage.js';
import type { Truth } from './truth.js';
import { createWorld, hostNamed, isShared, type SimHost } from './world.js';

export interface History {
  /** in the order in which they reach the correlator */
  events: Event[];
  /** the same events by true time, for people to read */
  transcript: { event: Event; true_us: number }[];
  truth: Truth;
}

/** 2026-11-23T00:00:00Z: a history has no wall clock, so it needs some beginning. */
const BEGAN_US = 1_795_392_000_000_000;
const HEARTBEAT_MS = 60_000;

/** Plays a plan. The same plan gives the same events, byte for byte. */
export function simulate(plan: Plan): History {
  const random = new Random(plan.seed);
  const histories = plan.clusters.map((cluster) => simulateCluster(cluster, random.fork()));
  return {
    events: histories.flatMap(({ events }) => events),
    transcript: histories.flatMap(({ transcript }) => transcript).sort((a, b) => a.true_us - b.true_us),
    truth: {
      relabels: histories.flatMap(({ truth }) => truth.relabels),
      migrations: histories.flatMap(({ truth }) => truth.migrations),
      tenures: histories.flatMap(({ truth }) => truth.tenures),
    },
  };
}

function simulateCluster(plan: ClusterPlan, random: Random): History {
  const scheduler = new Scheduler();
  const world = createWorld(plan);
  const hosts = plan.hosts.map(({ name, facts_at }) => ({ name, facts_read: facts_at !== 'never' }));
  const stage: Stage = {
    world,
    scheduler,
    random,
    log: new EventLog(plan.name, BEGAN_US, random.fork(), () => scheduler.now_us),
    ledger: new Ledger(hosts, BEGAN_US),
  };
  for (const host of world.hosts) observe(stage, plan, host, 'begin');
  putRunningGuests(stage, plan);
  for (const host of world.hosts) listAt(stage, host, 'begin');
  scheduler.start(waitForAll(stage, plan));
  scheduler.run();
  return {
    events: stage.log.arrived(),
    transcript: stage.log
      .inTrueOrder()
      .map(({ event, elapsed_us }) => ({ event, true_us: BEGAN_US + elapsed_us })),
    truth: stage.ledger.settle(),
  };
}

function* waitForAll(stage: Stage, plan: ClusterPlan): Activity {
  let playing = plan.scripts.length;
  let over = false;
  const countDown = function* (script: Activity): Activity {
    yield* script;
    playing--;
  };
  for (const script of plan.scripts) stage.scheduler.start(countDown(playScript(stage, script)), seconds(1));
  for (const guest of stage.world.guests) stage.scheduler.start(writeAsGuest(stage, guest, () => over));
  while (playing > 0) {
    yield ms(HEARTBEAT_MS);
    for (const host of stage.world.hosts)
      if (host.daemon_up || host.plan.role === 'nfs-server') stage.log.heartbeat(host);
  }
  over = true;
  for (const guest of stage.world.guests) giveUpPostCopy(stage, guest);
  for (const host of stage.world.hosts) {
    observe(stage, plan, host, 'end');
    listAt(stage, host, 'end');
    yield ms(10);
    stage.log.heartbeat(host);
  }
}

function observe(stage: Stage, plan: ClusterPlan, host: SimHost, when: 'begin' | 'end'): void {
  const { facts_at, name } = host.plan;
  if (facts_at !== when && facts_at !== 'both') return;
  readFacts(
    stage,
    host,
    plan.storage
      .filter((storage) => isMountedOn(storage, host))
      .map((storage) => ({ name: storage.name, mount: mountOf(host, storage) })),
  );
  const exported = plan.storage.filter(({ server }) => server?.host === name);
  readExports(
    stage,
    host,
    exported.map(({ server }) => ({
      path: server?.path ?? '',
      options: `10.77.0.0/24(rw,sync,no_subtree_check,${server?.root_squash ? 'root_squash' : 'no_root_squash'})`,
    })),
  );
}

function listAt(stage: Stage, host: SimHost, when: 'begin' | 'end'): void {
  const { guests_listed_at, role } = host.plan;
  if (role === 'hypervisor' && (guests_listed_at === when || guests_listed_at === 'both'))
    listGuests(stage, host);
}

function isMountedOn(storage: StoragePlan, host: SimHost): boolean {
  return host.plan.role === 'hypervisor' || storage.server?.host === host.plan.name;
}

function mountOf(host: SimHost, storage: StoragePlan): Mount {
  const dev = host.devices.get(storage.name) as string;
  if (storage.server?.host === host.plan.name || !isShared(storage)) {
    return { dev, root: '/', mount_point: '/', fs_type: 'ext4', source: '/dev/vda', options: 'rw,relatime' };
  }
  const { mount_point, fs_type, source } = storage;
  return { dev, root: '/', mount_point, fs_type, source, options: 'rw,relatime' };
}

/** Guests that ran before anybody looked: labelled as their hosts label, with no event about it. */
function putRunningGuests(stage: Stage, plan: ClusterPlan): void {
  for (const [index, { runs_on }] of plan.guests.entries()) {
    const guest = stage.world.guests[index];
    if (runs_on === null || guest === undefined) continue;
    const host = hostNamed(stage.world.hosts, runs_on);
    const incarnation = createIncarnation(stage, guest, host, 'main');
    guest.main = incarnation;
    const { needs } = incarnation;
    for (const disk of guest.disks) {
      for (const [depth, file] of disk.chain.entries()) {
        const use = disk.shareable ? 'shareable' : disk.read_only || depth > 0 ? 'backing' : 'private';
        const context = file.storage.labelled ? neededContext(needs, use) : null;
        const label = { uid: needs.uid, gid: needs.gid, mode: 0o100600, context };
        if (isShared(file.storage)) file.label = label;
        else host.local_labels.set(file, label);
      }
    }
    stage.ledger.beginTenure(guest.uuid, 'main', null, tenureOf(incarnation, true));
  }
}
