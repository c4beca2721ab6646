import { Option } from 'commander';
import { MigrationAuditError } from '../domain/errors.js';
import type { NamedFile } from '../replay/named-files.js';

/** `--audit hosta=/var/log/audit/audit.log*` and its like: sources named file by file instead of as a capture. */
const NAMED: readonly { flag: string; what: string; is: NamedFile['is'] }[] = [
  { flag: '--audit', what: 'audit logs', is: { stream: 'audit' } },
  { flag: '--events', what: 'output of virsh event', is: { stream: 'virsh-event' } },
  { flag: '--monitor', what: 'output of virsh qemu-monitor-event', is: { stream: 'qemu-monitor-event' } },
  { flag: '--daemon-log', what: 'libvirtd or virtqemud logs', is: { stream: 'daemon-log' } },
  { flag: '--guest-log', what: 'logs of /var/log/libvirt/qemu', is: { stream: 'guest-log' } },
  { flag: '--mounts', what: '/proc/self/mountinfo', is: { snapshot: 'mountinfo' } },
  { flag: '--domain-xml', what: 'output of virsh dumpxml', is: { snapshot: 'domain-guest.xml' } },
  { flag: '--qemu-conf', what: '/etc/libvirt/qemu.conf', is: { snapshot: 'qemu.conf' } },
  { flag: '--facts', what: 'a directory of such snapshots, named as in a capture', is: 'facts-directory' },
];

/** The options; what the user gave with them gathers in `found`, in the order of the command line. */
export function namedFileOptions(found: NamedFile[]): Option[] {
  return NAMED.map(({ flag, what, is }) =>
    new Option(`${flag} <host=pattern>`, what).argParser((value: string) => {
      found.push({ option: flag, is, ...hostAndPattern(flag, value) });
      return found;
    }),
  );
}

function hostAndPattern(flag: string, value: string): { host: string; pattern: string } {
  const match = /^([^=/]+)=(.+)$/s.exec(value);
  if (match === null)
    throw new MigrationAuditError('MA_USAGE', `${flag} ${value}`, 'the host is missing', {
      hint: `write ${flag} HOST=FILE, as in ${flag} hosta=logs/hosta/*.log`,
    });
  return { host: match[1] as string, pattern: match[2] as string };
}
