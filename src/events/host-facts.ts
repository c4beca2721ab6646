import type { HostFactsRead } from './event.js';

/** Facts of a host of which none was read; whoever read some puts them in their places. */
export const NOTHING_READ: Omit<HostFactsRead, 'origin'> = {
  host_name: null,
  host_uuid: null,
  machine_id: null,
  kernel: null,
  libvirt_version: null,
  mounts: null,
  exports: null,
  qemu_conf: null,
  security_models: null,
  selinux_mode: null,
  selinux_booleans: null,
  users: null,
  groups: null,
  audit: null,
  audit_rules: null,
};
