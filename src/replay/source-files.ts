import { splitRotation } from '../collect/tail/rotated-names.js';

/**
 * What a file in a capture is, told by its name alone. Contents never decide: a guest can write what it likes to
 * its own console, and a file that looks like a log must not become one.
 */

/** A stream that is read line by line; `audit-plugin` is what an audisp plugin was fed, the audit log over again. */
export type StreamRole =
  | 'audit'
  | 'audit-plugin'
  | 'virsh-event'
  | 'qemu-monitor-event'
  | 'daemon-log'
  | 'guest-log';

export interface StreamFileName {
  role: StreamRole;
  /** name without rotation suffix: files with the same base are one stream, cut by rotation */
  base: string;
  /** for sorting: the older file has the smaller key */
  age: string;
}

const ROLE_OF_BASE: readonly [RegExp, StreamRole][] = [
  [/^audit\.log$/, 'audit'],
  [/^audit-plugin\.log$/, 'audit-plugin'],
  [/^virsh-event\.log$/, 'virsh-event'],
  [/^qemu-monitor-event\.log$/, 'qemu-monitor-event'],
  [/^(?:libvirtd|virtqemud).*\.log$/s, 'daemon-log'],
  [/^qemu-.+\.log$/s, 'guest-log'],
];

/** The stream file a name stands for, or null: then it is a snapshot, or none of our business. */
export function streamFileOf(name: string): StreamFileName | null {
  const parts = splitRotation(name);
  if (parts === null) return null;
  const role = ROLE_OF_BASE.find(([pattern]) => pattern.test(parts.base))?.[1];
  return role === undefined ? null : { role, ...parts };
}
