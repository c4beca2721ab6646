import type { ByteText } from '../../domain/byte-text.js';
import type { HostFactsRead } from '../../events/event.js';
import type { ReadFacts } from './snapshot.js';
import { linesOf } from './text.js';

type TextFact = 'host_name' | 'host_uuid' | 'machine_id' | 'kernel';

const FORMS: Record<TextFact, RegExp> = {
  host_name: /^[A-Za-z0-9._-]{1,255}$/,
  host_uuid: /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
  machine_id: /^[0-9a-f]{32}$/,
  kernel: /^\S{1,255}$/,
};

/** Files with one line that is the fact: hostname, host-uuid, machine-id, kernel-release (`uname -r`). */
export function textFactReader(fact: TextFact): (bytes: Buffer) => ReadFacts {
  return (bytes) => {
    const [first, ...rest] = linesOf(bytes);
    if (first === undefined) return { facts: {}, unread: [] };
    if (rest.length > 0 || !FORMS[fact].test(first)) return { facts: {}, unread: [first, ...rest] };
    const facts: Partial<HostFactsRead> = {};
    facts[fact] = first;
    return { facts, unread: [] };
  };
}

/** `virsh version [--daemon]`: the daemon's version where it is told, else the library's. */
export function readVirshVersion(bytes: Buffer): ReadFacts {
  let library: string | null = null;
  let daemon: string | null = null;
  const unread: ByteText[] = [];
  for (const line of linesOf(bytes)) {
    const match = /^([A-Z][\w ]+): (?:(\S+) )?(\d[\d.]*)$/.exec(line);
    if (!match) unread.push(line);
    else if (match[1] === 'Running against daemon') daemon = match[3] as string;
    else if (match[1] === 'Using library') library = match[3] as string;
  }
  return { facts: { libvirt_version: daemon ?? library }, unread };
}
