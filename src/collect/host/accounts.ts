import type { ByteText } from '../../domain/byte-text.js';
import type { ReadFacts } from './snapshot.js';
import { linesOf } from './text.js';

interface Account {
  name: string;
  id: number;
}

/** `id NAME`: `uid=64055(libvirt-qemu) gid=993(kvm) groups=993(kvm),64055(libvirt-qemu)`, then perhaps `context=…` */
export function readIdOutput(bytes: Buffer): ReadFacts {
  const users: Account[] = [];
  const groups = new Map<number, Account>();
  const unread: ByteText[] = [];
  for (const line of linesOf(bytes)) {
    const match = /^uid=(\S+) gid=(\S+)(?: groups=(\S+))?(?: context=\S+)?$/.exec(line);
    if (!match) {
      unread.push(line);
      continue;
    }
    const user = parseAccount(match[1] as string);
    if (user) users.push(user);
    for (const group of [match[2] as string, ...(match[3] ?? '').split(',')].map(parseAccount)) {
      if (group) groups.set(group.id, group);
    }
  }
  return { facts: { users: orNull(users), groups: orNull([...groups.values()]) }, unread };
}

/** /etc/passwd and `getent passwd`: `NAME:x:UID:GID:…` */
export function readPasswd(bytes: Buffer): ReadFacts {
  const { accounts, unread } = readDatabase(bytes, 7);
  return { facts: { users: orNull(accounts) }, unread };
}

/** /etc/group and `getent group`: `NAME:x:GID:MEMBERS` */
export function readGroup(bytes: Buffer): ReadFacts {
  const { accounts, unread } = readDatabase(bytes, 4);
  return { facts: { groups: orNull(accounts) }, unread };
}

function readDatabase(bytes: Buffer, fields: number): { accounts: Account[]; unread: ByteText[] } {
  const accounts: Account[] = [];
  const unread: ByteText[] = [];
  for (const line of linesOf(bytes)) {
    // `+…` and `-…` are directions for NIS, not accounts
    if (/^[#+-]/.test(line)) continue;
    const parts = line.split(':');
    const [name, , id] = parts;
    if (parts.length === fields && name && id && /^\d{1,10}$/.test(id))
      accounts.push({ name, id: Number(id) });
    else unread.push(line);
  }
  return { accounts, unread };
}

/** `64055(libvirt-qemu)`; an id without a name has nothing to tell */
function parseAccount(text: string): Account | null {
  const match = /^(\d{1,10})\((.+)\)$/.exec(text);
  return match ? { name: match[2] as string, id: Number(match[1]) } : null;
}

function orNull<T>(list: T[]): T[] | null {
  return list.length > 0 ? list : null;
}
