import type { AssignedImage, HostFactsRead, ListedGuest, Mount } from '../events/event.js';
import { NOTHING_READ } from '../events/host-facts.js';
import type { Stage } from './stage.js';
import { type Incarnation, pathOn, type SimDisk, type SimHost } from './world.js';

/** What a collector reads beside the streams: mounts, configuration, the guests that run and their XML. */

export function readFacts(stage: Stage, host: SimHost, storage: { name: string; mount: Mount }[]): void {
  const { qemu_uid, qemu_gid, selinux, shared_filesystems, role, name } = host.plan;
  const state = (origin: string, facts: Partial<HostFactsRead>) =>
    stage.log.fact(host, origin, 'HostFactsRead', { origin, ...NOTHING_READ, ...facts });
  state('hostname', { host_name: name });
  state('mountinfo', { mounts: storage.map(({ mount }) => mount) });
  state('lsm', { selinux_mode: selinux });
  if (role === 'nfs-server') return;
  const label = `+${qemu_uid}:+${qemu_gid}`;
  const dac = { model: 'dac', doi: '0', base_labels: ['kvm', 'qemu'].map((type) => ({ type, label })) };
  const base = { type: 'kvm', label: 'system_u:system_r:svirt_t:s0' };
  const models = selinux === 'disabled' ? [dac] : [{ model: 'selinux', doi: '0', base_labels: [base] }, dac];
  state('capabilities.xml', { security_models: models });
  state('qemu.conf', {
    qemu_conf: {
      user: `+${qemu_uid}`,
      group: `+${qemu_gid}`,
      dynamic_ownership: null,
      remember_owner: null,
      security_drivers: [],
      shared_filesystems,
    },
  });
}

export function readExports(
  stage: Stage,
  host: SimHost,
  exported: { path: string; options: string }[],
): void {
  if (exported.length === 0) return;
  stage.log.fact(host, 'exports', 'HostFactsRead', { origin: 'exports', ...NOTHING_READ, exports: exported });
}

/** `virsh list`, and the live XML of every guest that runs. */
export function listGuests(stage: Stage, host: SimHost): void {
  const here = incarnationsOn(stage, host);
  const receiving = stage.world.guests
    .map((guest) => guest.receiving)
    .filter((incarnation) => incarnation?.host === host && !here.includes(incarnation));
  const shutOff = stage.world.guests.filter(
    (guest) =>
      guest.defined_on === host &&
      guest.receiving?.host !== host &&
      !here.some((incarnation) => incarnation.guest === guest),
  );
  const guests: ListedGuest[] = [
    ...here.map(({ guest, name, paused, post_copy_error }) => ({
      guest: { uuid: guest.uuid, name },
      state: paused || post_copy_error ? 'paused' : 'running',
      reason: null,
    })),
    ...receiving.map((incarnation) => {
      const { guest, name } = incarnation as Incarnation;
      return { guest: { uuid: guest.uuid, name }, state: 'paused', reason: 'migrating' };
    }),
    ...shutOff.map(({ uuid, name }) => ({ guest: { uuid, name }, state: 'shut off', reason: null })),
  ];
  stage.log.fact(host, 'virsh list', 'GuestsListed', { complete: true, guests });
  for (const incarnation of here) readDomainXml(stage, incarnation);
}

function incarnationsOn(stage: Stage, host: SimHost): Incarnation[] {
  return stage.world.guests
    .flatMap(({ main, second, leftover }) => [main, second, leftover])
    .filter((incarnation) => incarnation !== null)
    .filter((incarnation) => incarnation.host === host);
}

function readDomainXml(stage: Stage, incarnation: Incarnation): void {
  const { guest, host, name, needs, process_context, lane } = incarnation;
  const named = { uuid: guest.uuid, name };
  const owner = `+${needs.uid}:+${needs.gid}`;
  const models: [string, string, string][] = [['dac', owner, owner]];
  if (process_context !== null) models.unshift(['selinux', process_context, needs.context as string]);
  for (const [model, process_label, image_label] of models) {
    stage.log.fact(host, `domain-${name}.xml ${model}`, 'GuestLabelAssigned', {
      serial: null,
      source: 'domain-xml',
      guest: named,
      model,
      process_label,
      image_label,
    });
  }
  stage.log.fact(host, `domain-${name}.xml disks`, 'ImageAssigned', {
    serial: null,
    source: 'domain-xml',
    guest: named,
    reason: 'snapshot-of-state',
    complete: true,
    images: guest.disks.flatMap((disk) => imagesOf(host, disk)),
    replaces: null,
  });
  for (const { chain } of guest.disks) for (const file of chain) guest.listed_files.add(file);
  incarnation.labels_stated = true;
  if (guest.leftover === incarnation) return;
  stage.ledger.witness(guest.uuid, lane);
  stage.ledger.needsStated(guest.uuid, lane);
}

function imagesOf(host: SimHost, disk: SimDisk): AssignedImage[] {
  return disk.chain.map((file, depth) => ({
    role: depth === 0 ? 'disk' : 'backing',
    path: pathOn(host, file),
    source: 'file',
    target: disk.target,
    read_only: disk.read_only || depth > 0,
    shareable: disk.shareable,
    relabel_dac: null,
    relabel_selinux: null,
  }));
}
