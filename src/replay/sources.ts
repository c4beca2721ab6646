import type { StreamRole } from './source-files.js';

/** Files of one stream, in the order they were written. */
export interface StreamSource {
  role: StreamRole;
  /** oldest first */
  files: string[];
}

/** A file that shows the host's state at one moment: mounts, qemu.conf, domain XML. */
interface SnapshotSource {
  path: string;
  /** name that decides how it is read; differs from the path's when the user said what the file is */
  name: string;
  /** taken at the beginning of the capture (`NAME.before`) instead of at its end */
  before: boolean;
}

/** Everything that is known of one host, by file. */
export interface HostSources {
  host: string;
  streams: StreamSource[];
  snapshots: SnapshotSource[];
  /** files that hold the times of the snapshots, as seconds since the epoch */
  times: { before: string | null; after: string | null };
}

export interface Sources {
  hosts: HostSources[];
  /** files that were found and are nothing we read; listed so that a misspelt log does not vanish */
  ignored: string[];
}
