import type { MountPlan } from './snapshots.js';

export const IMAGES = '/var/lib/libvirt/images';

/** What libvirt spares when it restores labels after a migration. */
export const LIBVIRT_SPARES = /^(?:nfs4?|ceph|gfs2|ocfs2|cifs|gpfs|fuse\.glusterfs)$/;

export interface SharedStorage {
  name: string;
  fs_type: string;
  source: string;
  /** where hosts mount it by different names */
  sourceOn?: Record<string, string>;
}

/** What the host mounts: the lab's NFS and 9p, and the storages of this scenario. Devices differ from host to host. */
export function mountsOf(host: string, index: number, storages: readonly SharedStorage[]): MountPlan[] {
  return [
    {
      mount_point: `${IMAGES}/nfs`,
      source: 'nfs1:/srv/images',
      fs_type: 'nfs4',
      dev: `0:${43 + index * 6}`,
    },
    {
      mount_point: `${IMAGES}/p9`,
      source: 'share',
      fs_type: '9p',
      dev: `0:${41 + index}`,
      options: 'rw,access=client,trans=virtio',
    },
    ...storages.map((storage, at) => ({
      mount_point: `${IMAGES}/${storage.name}`,
      source: storage.sourceOn?.[host] ?? storage.source,
      fs_type: storage.fs_type,
      dev: `0:${70 + at + index * 8}`,
      options: 'rw',
    })),
  ];
}
