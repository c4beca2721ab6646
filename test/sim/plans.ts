import { TRUE_CLOCK } from '../../src/sim/clock.js';
import type { DiskPlan, HostPlan, Plan, SelinuxMode, Step, StoragePlan } from '../../src/sim/plan.js';

/** Plans like the lab that the golden captures come from: hosta, hostb, nfs1 and one guest. */

export const GUEST = '7e570000-0000-4000-8000-000000000001';

export interface LabOptions {
  seed?: number;
  storage?: 'nfs' | 'squash' | 'p9' | 'local';
  chain?: string[];
  selinux?: SelinuxMode;
  /** user and group of hostb's qemu.conf */
  hostb_uid?: number;
  name?: string;
  /** false: the guest is shut off, defined on hosta */
  runs?: boolean;
}

export function labPlan(options: LabOptions, script: Step[]): Plan {
  const { seed = 1, storage = 'nfs', selinux = 'disabled', name = 'vm1', runs = true } = options;
  const chain = options.chain ?? (storage === 'nfs' ? ['vm1.qcow2', 'base.raw'] : ['vm1.raw']);
  const disk: DiskPlan = { target: 'vda', storage, chain, read_only: false, shareable: false };
  return {
    seed,
    clusters: [
      {
        name: 'lab',
        hosts: [
          hypervisor('hosta', selinux, 64055),
          hypervisor('hostb', selinux, options.hostb_uid ?? 64055),
          SERVER,
        ],
        storage: [STORAGE[storage](selinux !== 'disabled')],
        guests: [{ name, uuid: GUEST, disks: [disk], runs_on: runs ? 'hosta' : null, defined_on: 'hosta' }],
        scripts: [script],
      },
    ],
  };
}

function hypervisor(name: string, selinux: SelinuxMode, uid: number): HostPlan {
  return {
    name,
    role: 'hypervisor',
    clock: TRUE_CLOCK,
    qemu_uid: uid,
    qemu_gid: uid,
    selinux,
    logs_relabel_avc: true,
    shared_filesystems: [],
    streams: ['audit', 'virsh-event', 'qemu-monitor-event', 'host-facts', 'collector'],
    knows_boot: false,
    facts_at: 'end',
    guests_listed_at: 'end',
  };
}

const SERVER: HostPlan = {
  ...hypervisor('nfs1', 'disabled', 0),
  role: 'nfs-server',
  streams: ['audit', 'host-facts', 'collector'],
};

const IMAGES = '/var/lib/libvirt/images';

const STORAGE: Record<NonNullable<LabOptions['storage']>, (labelled: boolean) => StoragePlan> = {
  nfs: (labelled) => ({
    name: 'nfs',
    fs_type: 'nfs4',
    source: 'nfs1:/srv/images',
    mount_point: `${IMAGES}/nfs`,
    server: { host: 'nfs1', path: '/srv/images', root_squash: false },
    labelled,
    attribute_cache_ms: 0,
  }),
  squash: () => ({
    name: 'squash',
    fs_type: 'nfs4',
    source: 'nfs1:/srv/squash',
    mount_point: `${IMAGES}/squash`,
    server: { host: 'nfs1', path: '/srv/squash', root_squash: true },
    labelled: false,
    attribute_cache_ms: 0,
  }),
  p9: () => ({
    name: 'p9',
    fs_type: '9p',
    source: 'share',
    mount_point: `${IMAGES}/p9`,
    server: null,
    labelled: false,
    attribute_cache_ms: 0,
  }),
  local: () => ({
    name: 'local',
    fs_type: 'ext4',
    source: '/dev/vda',
    mount_point: `${IMAGES}/local`,
    server: null,
    labelled: false,
    attribute_cache_ms: 0,
  }),
};
