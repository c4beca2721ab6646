import type { Stream } from '../events/event.js';
import { type ClockPlan, TRUE_CLOCK } from './clock.js';
import {
  type ClusterPlan,
  type ForeignAct,
  type GuestPlan,
  type HostPlan,
  MIGRATIONS,
  type MigrationCourse,
  type Plan,
  type SelinuxMode,
  SOURCE_LOSSES,
  type Step,
  type StoragePlan,
} from './plan.js';
import { Random } from './random.js';

export interface RandomPlanOptions {
  /** clocks that are set forth and back while they run, not only wrong from the beginning */
  clock_steps?: boolean;
  /** all streams of all hosts, and everything that a collector can read: no doubt for want of collecting */
  complete?: boolean;
  /** sources that are lost in the middle of a migration, too */
  source_losses?: boolean;
}

/** A history of chance: what a fleet's administrators do in an hour or so, with the mishaps of years. */
export function randomPlan(seed: number, options: RandomPlanOptions = {}): Plan {
  const random = new Random(seed);
  const clusters = random.chance(0.15) ? 2 : 1;
  return {
    seed,
    clusters: Array.from({ length: clusters }, (_, index) => randomCluster(random.fork(), index, options)),
  };
}

const MOUNTS = '/var/lib/libvirt/images';
const HOST_LETTERS = ['a', 'b', 'c', 'd'];
const ALL_STREAMS: Stream[] = ['audit', 'virsh-event', 'qemu-monitor-event', 'host-facts', 'collector'];

function randomCluster(random: Random, index: number, options: RandomPlanOptions): ClusterPlan {
  const tag = index === 0 ? '' : String(index + 1);
  const storage = randomStorage(random, tag);
  const selinux = random.weighted<SelinuxMode>({ disabled: 6, permissive: 2, enforcing: 1 });
  const names = HOST_LETTERS.slice(0, random.between(2, 4)).map((letter) => `host${letter}${tag}`);
  const mismatched = random.chance(0.3) ? random.pick(names) : null;
  const collected = randomCollection(random, options);
  const hosts = names.map((name) => ({
    ...collected,
    name,
    role: 'hypervisor' as const,
    clock: randomClock(random, options),
    qemu_uid: name === mismatched ? 0 : 64055,
    qemu_gid: name === mismatched ? 0 : 64055,
    selinux,
    logs_relabel_avc: random.chance(0.8),
    shared_filesystems: random.chance(0.1) ? storage.map(({ mount_point }) => mount_point) : [],
  }));
  const servers = [...new Set(storage.map(({ server }) => server?.host))]
    .filter((name) => name !== undefined)
    .map((name) => serverPlan(name, random, options));
  const guests = Array.from({ length: random.between(1, 4) }, (_, order) =>
    randomGuest(random, order, index, storage, names),
  );
  const courses = options.source_losses ? [...MIGRATIONS, ...SOURCE_LOSSES] : MIGRATIONS;
  const scripts = guests.map((guest) => randomGuestScript(random.fork(), guest, names, courses));
  const everywhere = [...names, ...servers.map(({ name }) => name)];
  if (random.chance(0.6)) scripts.push(randomForeignScript(random.fork(), guests, everywhere));
  if (random.chance(0.1))
    scripts.push([wait(random, 60, 600), { do: 'reboot-host', host: random.pick(names) }]);
  return { name: `cluster${index + 1}`, hosts: [...hosts, ...servers], storage, guests, scripts };
}

function randomCollection(
  random: Random,
  { complete }: RandomPlanOptions,
): Pick<HostPlan, 'streams' | 'knows_boot' | 'facts_at' | 'guests_listed_at'> {
  const whole = complete === true || random.chance(0.75);
  const missing = random.pick<Stream>(['virsh-event', 'qemu-monitor-event']);
  return {
    streams: whole ? ALL_STREAMS : ALL_STREAMS.filter((stream) => stream !== missing),
    knows_boot: random.chance(0.5),
    facts_at: whole
      ? random.pick(['begin', 'end', 'both'] as const)
      : random.pick(['both', 'never'] as const),
    guests_listed_at: whole
      ? random.pick(['begin', 'end', 'both'] as const)
      : random.pick(['end', 'never'] as const),
  };
}

function serverPlan(name: string, random: Random, options: RandomPlanOptions): HostPlan {
  return {
    name,
    role: 'nfs-server',
    clock: randomClock(random, options),
    qemu_uid: 0,
    qemu_gid: 0,
    selinux: 'disabled',
    logs_relabel_avc: false,
    shared_filesystems: [],
    streams: ['audit', 'host-facts', 'collector'],
    knows_boot: true,
    facts_at: 'both',
    guests_listed_at: 'never',
  };
}

function randomClock(random: Random, { clock_steps }: RandomPlanOptions): ClockPlan {
  const reach_us = random.pick([300_000, 5_000_000, 86_400_000_000]);
  return {
    ...TRUE_CLOCK,
    offset_us: random.between(-reach_us, reach_us),
    drift_ppm: random.between(-80, 80),
    steps:
      clock_steps && random.chance(0.5)
        ? [{ after_us: random.between(10, 600) * 1_000_000, by_us: random.between(-60_000_000, 60_000_000) }]
        : [],
  };
}

function randomStorage(random: Random, tag: string): StoragePlan[] {
  const kind = random.weighted({ nfs: 6, squashed: 1, p9: 3, lustre: 1, fuse: 1, ceph: 1 });
  const labelled = random.chance(0.6);
  const attribute_cache_ms = random.pick([0, 3_000, 30_000]);
  const common = { labelled: false, attribute_cache_ms: 0, server: null };
  const shared: Record<typeof kind, StoragePlan> = {
    nfs: nfs(tag, 'nfs', labelled, false, attribute_cache_ms),
    squashed: nfs(tag, 'squash', labelled, true, attribute_cache_ms),
    p9: { ...common, name: 'p9', fs_type: '9p', source: 'share', mount_point: `${MOUNTS}/p9` },
    lustre: {
      ...common,
      name: 'lustre',
      fs_type: 'lustre',
      source: '10.77.0.9@tcp:/vm',
      mount_point: `${MOUNTS}/lustre`,
    },
    fuse: {
      ...common,
      name: 'mfs',
      fs_type: 'fuse.mfs',
      source: 'mfsmaster:9421',
      mount_point: `${MOUNTS}/mfs`,
    },
    ceph: {
      ...common,
      name: 'ceph',
      fs_type: 'ceph',
      source: '10.77.0.8:6789:/',
      mount_point: `${MOUNTS}/ceph`,
      labelled,
    },
  };
  const local: StoragePlan = {
    ...common,
    name: 'local',
    fs_type: 'ext4',
    source: '/dev/vda',
    mount_point: `${MOUNTS}/local`,
  };
  return [shared[kind], local];
}

function nfs(
  tag: string,
  name: string,
  labelled: boolean,
  root_squash: boolean,
  cache_ms: number,
): StoragePlan {
  const host = `nfs1${tag}`;
  const path = `/srv/${name}`;
  return {
    name,
    fs_type: 'nfs4',
    source: `${host}:${path}`,
    mount_point: `${MOUNTS}/${name}`,
    server: { host, path, root_squash },
    labelled,
    attribute_cache_ms: cache_ms,
  };
}

function randomGuest(
  random: Random,
  order: number,
  cluster: number,
  storage: StoragePlan[],
  hosts: string[],
): GuestPlan {
  const [shared, local] = storage.map(({ name }) => name) as [string, string];
  const name = random.chance(0.1) ? `my vm${order + 1}` : `vm${order + 1}`;
  const host = random.pick(hosts);
  const plain = { read_only: false, shareable: false };
  const kind = random.weighted({ raw: 4, qcow2: 4, local: 1, shareable: 1, cdrom: 1 });
  const own = { ...plain, target: 'vda', storage: shared, chain: [`vm${order + 1}.raw`] };
  const disks = {
    raw: [own],
    qcow2: [{ ...own, chain: [`vm${order + 1}.qcow2`, 'base.raw'] }],
    local: [{ ...own, storage: local }],
    shareable: [own, { ...plain, target: 'vdb', storage: shared, chain: ['shared.raw'], shareable: true }],
    cdrom: [own, { ...plain, target: 'sda', storage: shared, chain: ['install.iso'], read_only: true }],
  }[kind];
  return {
    name,
    uuid: `7e570000-0000-4000-8000-0000000${cluster}000${order + 1}`,
    disks,
    runs_on: random.chance(0.75) ? host : null,
    defined_on: host,
  };
}

function wait(random: Random, least_s: number, most_s: number): Step {
  return { do: 'wait', ms: random.between(least_s * 1000, most_s * 1000) };
}

function randomGuestScript(
  random: Random,
  { uuid: guest, runs_on, name }: GuestPlan,
  hosts: string[],
  courses: readonly MigrationCourse[],
): Step[] {
  const script: Step[] = [wait(random, 0, 30)];
  if (runs_on === null && random.chance(0.8)) script.push({ do: 'start', guest });
  const count = random.between(1, 8);
  for (let i = 0; i < count; i++) {
    script.push(wait(random, 1, 60), ...randomEpisode(random, guest, name, hosts, courses));
  }
  return script;
}

function randomEpisode(
  random: Random,
  guest: string,
  name: string,
  hosts: string[],
  courses: readonly MigrationCourse[],
): Step[] {
  const migrate = (course: MigrationCourse): Step => ({ do: 'migrate', guest, course });
  const kind = random.weighted({
    migrate: 10,
    renamed: 1,
    paused: 1,
    pingPong: 2,
    offline: 1,
    brokenPostCopy: 1,
    secondStart: 1,
    stopAndStart: 2,
    suspend: 1,
    save: 1,
    hotplug: 1,
    snapshot: 1,
    repair: 2,
  });
  const on = random.pick(hosts);
  switch (kind) {
    case 'migrate':
      return [migrate(random.pick(courses))];
    case 'renamed':
      return [{ ...migrate('ok'), new_name: `${name}-moved` } as Step];
    case 'paused':
      return [
        { do: 'suspend', guest },
        wait(random, 1, 10),
        migrate('ok'),
        wait(random, 1, 10),
        { do: 'resume', guest },
      ];
    case 'pingPong':
      return [migrate('ok'), wait(random, 0, 3), migrate('ok'), wait(random, 0, 3), migrate('ok')];
    case 'offline':
      return [
        { do: 'shutdown', guest },
        wait(random, 1, 5),
        migrate('offline'),
        wait(random, 1, 5),
        { do: 'start', guest },
      ];
    case 'brokenPostCopy':
      return [
        migrate('post-copy-fails'),
        wait(random, 2, 20),
        { do: random.pick(['recover-post-copy', 'destroy-paused-source'] as const), guest },
      ];
    case 'secondStart':
      return [
        { do: 'second-start', guest, on, locked: random.chance(0.6) },
        wait(random, 3, 20),
        { do: 'end-second', guest },
      ];
    case 'stopAndStart':
      return [
        { do: random.pick(['shutdown', 'destroy'] as const), guest },
        wait(random, 1, 30),
        { do: 'start', guest },
      ];
    case 'suspend':
      return [
        { do: 'suspend', guest },
        wait(random, 1, 20),
        { do: 'resume', guest },
        { do: 'reboot', guest },
      ];
    case 'save':
      return [{ do: 'save-and-restore', guest }];
    case 'hotplug':
      return [
        { do: 'hotplug', guest },
        wait(random, 1, 10),
        migrate('ok'),
        wait(random, 1, 10),
        { do: 'unplug', guest },
      ];
    case 'snapshot':
      return [
        { do: 'snapshot', guest },
        wait(random, 1, 10),
        migrate('ok'),
        wait(random, 1, 10),
        { do: 'block-commit', guest },
      ];
    case 'repair':
      return [{ do: 'foreign', act: 'repair', guest, on }];
  }
}

function randomForeignScript(random: Random, guests: GuestPlan[], hosts: string[]): Step[] {
  const acts: Record<ForeignAct, number> = {
    restorecon: 2,
    'chown-recursive': 2,
    chown: 2,
    backup: 1,
    'user-xattr': 1,
    repair: 3,
  };
  return Array.from({ length: random.between(1, 4) }, () => [
    wait(random, 5, 120),
    {
      do: 'foreign',
      act: random.weighted(acts),
      guest: random.pick(guests).uuid,
      on: random.pick(hosts),
    } as Step,
  ]).flat();
}
