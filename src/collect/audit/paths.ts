import type { ByteText } from '../../domain/byte-text.js';
import type { PathQuality } from '../../events/event.js';

/** What a PATH record's name says about where the file is. */
export interface NamedPath {
  path: ByteText | null;
  quality: PathQuality;
}

const BY_DESCRIPTOR: NamedPath = { path: null, quality: 'file-descriptor' };

/** /proc/self/fd/3, as libselinux and restorecon use it: the record's inode is the target's, the name is not. */
const PROC_FD = /^\/(?:proc\/(?:self|thread-self|\d+)\/(?:task\/\d+\/)?fd|dev\/fd)\/\d+$/;

/**
 * @param name null when the call named none
 * @param cwd null when not recorded
 * @param fromCwd a relative name starts from the working directory, not from a descriptor of a directory, whose
 *   path the log never tells
 */
export function namedPath(name: ByteText | null, cwd: ByteText | null, fromCwd: boolean): NamedPath {
  if (name === null || name === '') return BY_DESCRIPTOR;
  if (name.startsWith('/')) {
    const isProcFd = (name.startsWith('/proc/') || name.startsWith('/dev/fd/')) && PROC_FD.test(name);
    return { path: name, quality: isProcFd ? 'proc-fd' : 'absolute' };
  }
  if (!fromCwd || cwd === null || !cwd.startsWith('/'))
    return { path: name, quality: 'relative-to-unknown-dirfd' };
  return { path: normalise(`${cwd}/${name}`), quality: 'joined' };
}

/** Takes `.`, `..` and doubled slashes away by text alone: symbolic links are not followed. */
function normalise(path: ByteText): ByteText {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}
