import { byteTextFrom } from '../../domain/byte-text.js';
import { type ConfValue, parseLibvirtConf } from './libvirt-conf.js';
import type { ReadFacts } from './snapshot.js';

/**
 * /etc/libvirt/qemu.conf: what decides who owns images. Null where the file says nothing and libvirt's build
 * default holds. `user` and `group` stay as written: a name, a number, or `+NUMBER` for a number in any case.
 */
export function readQemuConf(bytes: Buffer): ReadFacts {
  const { entries, unread } = parseLibvirtConf(byteTextFrom(bytes));
  return {
    facts: {
      qemu_conf: {
        user: text(entries.get('user')),
        group: text(entries.get('group')),
        dynamic_ownership: flag(entries.get('dynamic_ownership')),
        remember_owner: flag(entries.get('remember_owner')),
        security_drivers: texts(entries.get('security_driver')),
        shared_filesystems: texts(entries.get('shared_filesystems')),
      },
    },
    unread,
  };
}

function text(value: ConfValue | undefined): string | null {
  return value === undefined || Array.isArray(value) ? null : String(value);
}

function flag(value: ConfValue | undefined): boolean | null {
  return typeof value === 'number' ? value !== 0 : null;
}

/** A single text stands for a list of one. */
function texts(value: ConfValue | undefined): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
}
