import type { Cause } from '../domain/verdict.js';
import type { Incarnation } from './incarnation.js';
import { isByLibvirt, isByReconnectWorker, type Judgement } from './judge.js';
import { asksForOwner, hostDacLabel, needOf } from './need.js';

/** Why a host that did not own the guest relabelled its image. */
export function causeOf(judgement: Judgement): Cause {
  const { call, local } = judgement;
  const { body } = call.event;
  if (!isByLibvirt(body)) return 'foreign-program';
  if (!local) return 'foreign-host';
  switch (local.state) {
    case 'owner':
    case 'starting':
      return 'second-start';
    case 'incoming':
      return ofIncoming(judgement, local.incarnation);
    case 'handing-over':
      return ofSource(judgement, local.incarnation, local.handOver.postCopy);
    case 'absent': {
      if (!local.last) return unrecorded(judgement);
      if (local.last.kind === 'booted' && local.last.startFailed) return 'second-start';
      if (local.last.owns === null) return ofIncoming(judgement, local.last);
      const handOver = local.last.handOvers.at(-1);
      if (handOver && handOver.result !== 'resumed')
        return ofSource(judgement, local.last, handOver.postCopy);
      return 'foreign-host';
    }
    case 'silent':
      return unrecorded(judgement);
  }
}

/** What this host gives its own guest, against what the call asks: equal is labelling, else it is a restore. */
function ofIncoming(judgement: Judgement, incarnation: Incarnation): Cause {
  const { body } = judgement.call.event;
  if (isByReconnectWorker(body)) return 'destination-cleanup-after-failure';
  const own = needOf(incarnation, judgement.call.record);
  if (body.attribute === 'security.selinux') {
    const cleaning = own.context !== null && body.asked_context !== own.context;
    return cleaning ? 'destination-cleanup-after-failure' : 'destination-own-categories';
  }
  const label = own.owner ?? hostDacLabel(judgement.call.record);
  const labelling =
    asksForOwner(body) && label !== null && body.asked_uid === label.uid && body.asked_gid === label.gid;
  if (labelling) return 'destination-config-mismatch';
  if (incarnation.kind === 'booted') return 'second-start';
  return 'destination-cleanup-after-failure';
}

function ofSource(judgement: Judgement, incarnation: Incarnation, postCopy: boolean): Cause {
  const { position, event } = judgement.call;
  if (isByReconnectWorker(event.body)) return 'source-restart-after-handover';
  if (restartedBetween(incarnation, position)) return 'source-restart-after-handover';
  const confirmed = incarnation.endReason === 'migrated' && !incarnation.endUnseen;
  return postCopy && !confirmed ? 'postcopy-source-destroyed' : 'source-cleanup-after-handover';
}

/** The host's record does not have the guest; the reconnect worker only clears away what had been here. */
function unrecorded({ call }: Judgement): Cause {
  return isByReconnectWorker(call.event.body) ? 'source-restart-after-handover' : 'foreign-host';
}

/** The daemon came back after the hand-over and before the call, and had not ended the guest before. */
function restartedBetween(incarnation: Incarnation, position: number): boolean {
  const from = incarnation.handOvers.at(-1)?.from ?? -1;
  return incarnation.daemonRestarts.some((at) => at > from && at < position);
}

/** One sentence each: why this happens. */
export const EXPLANATIONS: Record<Cause, string> = {
  'destination-cleanup-after-failure':
    'libvirt on the destination cleaned up after the migration failed and restored the image’s label, although the file is shared and the guest went on running on the source (libvirt bug 822052)',
  'source-cleanup-after-handover':
    'libvirt on the source cleaned up after the hand-over and restored the image’s label, although the file is shared and the guest was already running on the destination',
  'destination-config-mismatch':
    'the destination’s libvirt runs QEMU under another user or group, and labels the shared image for it before its QEMU starts, while the guest still runs on the source',
  'destination-own-categories':
    'the destination’s libvirt drew its own SELinux categories and set them on the shared image before the switch-over; the source’s QEMU is denied as soon as its label cache is refreshed',
  'source-restart-after-handover':
    'libvirt on the source was restarted after the hand-over, found its old QEMU gone and restored the image’s label under the guest that runs on the destination',
  'foreign-host':
    'libvirt on a host that has nothing to do with the guest labelled the image, for a guest or a volume of its own',
  'foreign-program':
    'a program other than libvirt (an admin, restorecon, a backup or clean-up job) changed the label of the image on a host that did not own the guest',
  'second-start':
    'the same guest was started on another host while it ran; the label is restored when that start fails or that second guest ends',
  'postcopy-source-destroyed':
    'the paused source of a broken post-copy migration was destroyed; libvirt restored the image’s label although the guest runs on the destination',
  'shared-storage-unrecognised':
    'libvirt on this host takes the shared storage for local, so every failed or finished migration restores labels on it (libvirt bug 822052 is alive here)',
  'records-lost':
    'the guest lost access to its image, and the records that would show who took it away are missing',
};

export const PREVENTIONS: Record<Cause, string> = {
  'destination-cleanup-after-failure':
    'list the mount in shared_filesystems of /etc/libvirt/qemu.conf on every host, and do not restart libvirt on a host that is receiving a guest',
  'source-cleanup-after-handover':
    'list the mount in shared_filesystems of /etc/libvirt/qemu.conf on every host',
  'destination-config-mismatch':
    'give user, group and dynamic_ownership in /etc/libvirt/qemu.conf, and the numeric ids behind the names, the same values on every host',
  'destination-own-categories':
    "give the guest a static SELinux label (<seclabel type='static' model='selinux'>) or mount the storage with a fixed context=, so that both hosts use one label",
  'source-restart-after-handover':
    'do not stop libvirt while a migration is running; upgrade libvirt when its restart spares shared storage',
  'foreign-host':
    'let no guest of another host use the image, unless the disk is declared shareable or read-only on both',
  'foreign-program': 'exclude the image directories from restorecon, chown and backup jobs on every host',
  'second-start': 'use a lock manager (virtlockd or sanlock), and let only one host have the guest defined',
  'postcopy-source-destroyed':
    'recover a broken post-copy migration (virsh migrate --postcopy-resume) or destroy the source only after the guest has ended on the destination',
  'shared-storage-unrecognised':
    'list the mount in shared_filesystems of /etc/libvirt/qemu.conf on every host (libvirt 10.10 or later)',
  'records-lost':
    'raise the audit backlog (auditctl -b 8192 or more, --backlog_wait_time 60000) and set no rate limit (-r 0)',
};
