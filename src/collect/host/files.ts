import { readGroup, readIdOutput, readPasswd } from './accounts.js';
import { readAuditRules, readAuditStatus } from './auditctl.js';
import { readCapabilities } from './capabilities.js';
import { readDomainXml } from './domain-xml.js';
import { readDomstate } from './domstate.js';
import { readExports } from './exports.js';
import { readVirshVersion, textFactReader } from './identity.js';
import { readMountinfo } from './mountinfo.js';
import { readQemuConf } from './qemu-conf.js';
import { readSelinux } from './selinux.js';
import { type ReadFacts, Snapshot, type SnapshotParser } from './snapshot.js';

export type { SnapshotParser } from './snapshot.js';

/** Files that hold host facts, by the name they have in a capture. */
const FACT_READERS: Readonly<Record<string, (bytes: Buffer, file: string) => ReadFacts>> = {
  'auditctl-l': readAuditRules,
  'auditctl-s': readAuditStatus,
  'capabilities.xml': readCapabilities,
  etab: readExports,
  'exportfs-v': readExports,
  exports: readExports,
  getenforce: readSelinux,
  'getent-group': readGroup,
  'getent-passwd': readPasswd,
  'getsebool-a': readSelinux,
  group: readGroup,
  'host-uuid': textFactReader('host_uuid'),
  hostname: textFactReader('host_name'),
  'kernel-release': textFactReader('kernel'),
  lsm: readSelinux,
  'machine-id': textFactReader('machine_id'),
  mountinfo: readMountinfo,
  passwd: readPasswd,
  'qemu.conf': readQemuConf,
  'virsh-version': readVirshVersion,
};

/**
 * How a file of a capture is read, told by its name: exact (`mountinfo`), or `domain-NAME.xml`, `domstate-NAME`,
 * `id-NAME`. `NAME.before` is the same file, taken at the beginning of the capture. `HostFactsRead.origin` is the
 * name of the file that was read, so that both can be told apart.
 *
 * @returns null when the name is none of a snapshot
 */
export function snapshotParserFor(fileName: string): SnapshotParser | null {
  const name = fileName.replace(/\.before$/, '');
  if (/^domain-.+\.xml$/s.test(name)) {
    return (bytes, origin, atUs) => readDomainXml(new Snapshot(bytes, origin, atUs));
  }
  const guest = /^domstate-(.+)$/s.exec(name)?.[1];
  if (guest !== undefined) {
    return (bytes, origin, atUs) => readDomstate(new Snapshot(bytes, origin, atUs), guest);
  }
  const read = /^id-.+$/s.test(name)
    ? readIdOutput
    : Object.hasOwn(FACT_READERS, name)
      ? FACT_READERS[name]
      : undefined;
  if (!read) return null;
  return (bytes, origin, atUs) => {
    const snapshot = new Snapshot(bytes, origin, atUs);
    return snapshot.factEvents(read(bytes, origin.file));
  };
}
