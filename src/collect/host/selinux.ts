import type { ByteText } from '../../domain/byte-text.js';
import type { ReadFacts } from './snapshot.js';
import { linesOf } from './text.js';

const MODES = new Set(['Disabled', 'Permissive', 'Enforcing']);
const BOOLEAN = /^(\w+) --> (on|off)$/;
const LSM_LIST = /^[a-z0-9_][a-z0-9_,]*$/;

/**
 * SELinux as its tools print it, one after another in any order: `getenforce` (`Enforcing`), `getsebool -a`
 * (`virt_use_nfs --> off`) and /sys/kernel/security/lsm (`capability,selinux,bpf`).
 */
export function readSelinux(bytes: Buffer): ReadFacts {
  let mode: string | null = null;
  let withoutSelinux = false;
  const booleans: { name: string; on: boolean }[] = [];
  const unread: ByteText[] = [];
  for (const line of linesOf(bytes)) {
    const boolean = BOOLEAN.exec(line);
    if (MODES.has(line)) mode = line.toLowerCase();
    else if (boolean) booleans.push({ name: boolean[1] as string, on: boolean[2] === 'on' });
    else if (LSM_LIST.test(line)) withoutSelinux = !line.split(',').includes('selinux');
    else if (line !== 'getsebool:  SELinux is disabled') unread.push(line);
  }
  return {
    facts: {
      selinux_mode: mode ?? (withoutSelinux ? 'disabled' : null),
      selinux_booleans: booleans.length > 0 ? booleans : null,
    },
    unread,
  };
}
