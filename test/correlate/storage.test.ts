import { describe, expect, it } from 'vitest';
import type { HostFacts } from '../../src/correlate/host-facts.js';
import { StorageMap } from '../../src/correlate/storage.js';
import type { Mount } from '../../src/events/event.js';

const ROOT_MOUNT = mount('8:1', '/', 'ext4', '/dev/sda1');
const NFS_MOUNT = mount('0:48', '/var/lib/libvirt/images/nfs', 'nfs4', 'nfs1:/srv/images');

function mount(dev: string, mount_point: string, fs_type: string, source: string): Mount {
  return { dev, root: '/', mount_point, fs_type, source, options: 'rw' };
}

function storages(overrides: { sharedPaths?: string[]; localPaths?: string[] }): StorageMap {
  const facts = { mounts: [ROOT_MOUNT, NFS_MOUNT], exports: null, qemuConf: null, hostName: 'hosta' };
  const hosts = new Map([['hosta', { host: 'hosta', facts: facts as unknown as HostFacts }]]);
  return new StorageMap(hosts, { sharedPaths: [], localPaths: [], ...overrides });
}

const sharedOf = (map: StorageMap, path: string) => map.locate('hosta', path, null).storage?.shared;

describe('a part of a mount that the configuration calls shared', () => {
  const map = storages({ sharedPaths: ['/srv/san'] });

  it('is shared, and what lies beside it is not', () => {
    expect(sharedOf(map, '/srv/san/vm1.raw')).toBe(true);
    expect(sharedOf(map, '/srv/sandbox/vm1.raw')).toBe(false);
    expect(sharedOf(map, '/srv/vm1.raw')).toBe(false);
  });

  it('has one name on all hosts that mount the same', () => {
    const { storage, storagePath } = map.locate('hosta', '/srv/san/vm1.raw', '8:1');
    expect(storage?.key).toBe('ext4:/dev/sda1');
    expect(storagePath).toBe('/srv/san/vm1.raw');
  });

  it('is among what a call without a name can have touched', () => {
    expect(map.partsOf('hosta', '8:1').map(({ key, shared }) => [key, shared])).toEqual([
      ['ext4:/dev/sda1', true],
    ]);
    expect(map.partsOf('hosta', '0:48')).toEqual([]);
  });
});

describe('a part of a shared mount that the configuration calls local', () => {
  const map = storages({ localPaths: ['/var/lib/libvirt/images/nfs/scratch'] });

  it('is of the host alone, and what lies beside it is not', () => {
    expect(sharedOf(map, '/var/lib/libvirt/images/nfs/scratch/vm1.raw')).toBe(false);
    expect(sharedOf(map, '/var/lib/libvirt/images/nfs/vm1.raw')).toBe(true);
  });
});

describe('the longest path that fits', () => {
  it('counts', () => {
    const map = storages({ sharedPaths: ['/srv'], localPaths: ['/srv/local'] });
    expect(sharedOf(map, '/srv/local/vm1.raw')).toBe(false);
    expect(sharedOf(map, '/srv/vm1.raw')).toBe(true);
  });
});
