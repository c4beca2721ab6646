import type { ByteText } from '../../domain/byte-text.js';
import type { Mount } from '../../events/event.js';
import type { ReadFacts } from './snapshot.js';
import { linesOf, unescapeOctal } from './text.js';

/**
 * /proc/PID/mountinfo (proc(5)):
 *
 *     61 28 0:45 / /mnt rw,relatime shared:129 - nfs4 nfs1:/srv rw,vers=4.2,sec=sys
 *     id parent major:minor root mount-point options [optional fields] - type source super-options
 *
 * `options` of the result are those of the mount and of the file system together; `ro` in either means read-only.
 */
export function readMountinfo(bytes: Buffer): ReadFacts {
  const mounts: Mount[] = [];
  const unread: ByteText[] = [];
  for (const line of linesOf(bytes)) {
    const mount = parseMount(line);
    if (mount) mounts.push(mount);
    else unread.push(line);
  }
  return { facts: { mounts: mounts.length > 0 ? mounts : null }, unread };
}

function parseMount(line: ByteText): Mount | null {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [, , dev, root, mountPoint, options] = fields;
  if (dash === -1 || dev === undefined || !/^\d+:\d+$/.test(dev)) return null;
  // The source may be an empty string; then two blanks stand side by side and the fields still count right.
  const [fsType, source, superOptions] = fields.slice(dash + 1);
  if (!root || !mountPoint || options === undefined || !fsType || source === undefined) return null;
  return {
    dev,
    root: unescapeOctal(root),
    mount_point: unescapeOctal(mountPoint),
    fs_type: unescapeOctal(fsType),
    source: unescapeOctal(source),
    options: mergeOptions(options, superOptions ?? ''),
  };
}

function mergeOptions(ofMount: string, ofFileSystem: string): string {
  const merged = new Set([...ofMount.split(','), ...ofFileSystem.split(',')]);
  merged.delete('');
  if (merged.has('ro')) merged.delete('rw');
  return [...merged].join(',');
}
