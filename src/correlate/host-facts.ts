import type { EventOf, Export, HostFactsRead, Mount, SecurityModel } from '../events/event.js';

/** Facts of one host, the latest of each; each null until some event stated it. */
export interface HostFacts {
  hostName: string | null;
  mounts: Mount[] | null;
  exports: Export[] | null;
  qemuConf: HostFactsRead['qemu_conf'];
  securityModels: SecurityModel[] | null;
  selinuxMode: string | null;
  selinuxBooleans: Map<string, boolean>;
  users: Map<string, number>;
  groups: Map<string, number>;
  /** audit records that the kernel lost: in between two readings of its counter, else since boot */
  auditLost: { count: number; sinceUs: number | null; untilUs: number | null } | null;
  /** true when the host runs or ran libvirt */
  hypervisor: boolean;
}

export function mergeFacts(events: readonly EventOf<'HostFactsRead'>[]): HostFacts {
  const facts: HostFacts = {
    hostName: null,
    mounts: null,
    exports: null,
    qemuConf: null,
    securityModels: null,
    selinuxMode: null,
    selinuxBooleans: new Map(),
    users: new Map(),
    groups: new Map(),
    auditLost: null,
    hypervisor: false,
  };
  const lost: { at: number; count: number }[] = [];
  for (const { body, at } of events) {
    facts.hostName = body.host_name ?? facts.hostName;
    facts.mounts = body.mounts ?? facts.mounts;
    facts.exports = body.exports ?? facts.exports;
    facts.qemuConf = body.qemu_conf ?? facts.qemuConf;
    facts.securityModels = body.security_models ?? facts.securityModels;
    facts.selinuxMode = body.selinux_mode ?? facts.selinuxMode;
    for (const { name, on } of body.selinux_booleans ?? []) facts.selinuxBooleans.set(name, on);
    for (const { name, id } of body.users ?? []) facts.users.set(name, id);
    for (const { name, id } of body.groups ?? []) facts.groups.set(name, id);
    if (body.qemu_conf || body.security_models || body.libvirt_version) facts.hypervisor = true;
    if (body.audit) lost.push({ at, count: body.audit.lost });
  }
  lost.sort((a, b) => a.at - b.at || a.count - b.count);
  const [first, last] = [lost[0], lost.at(-1)];
  if (first && last) {
    facts.auditLost =
      lost.length > 1 && last.count >= first.count
        ? { count: last.count - first.count, sinceUs: first.at, untilUs: last.at }
        : { count: last.count, sinceUs: null, untilUs: last.at };
  }
  return facts;
}
