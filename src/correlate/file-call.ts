import type { RelabelReport } from '../domain/report.js';
import type { EventOf } from '../events/event.js';
import type { Entry } from './entry.js';
import type { Family } from './family.js';
import type { Match } from './images.js';
import type { Storage } from './storage.js';

/** A relabel, the image that it was found to be of, and what was said of it. */
export interface FileCall {
  entry: Entry;
  event: EventOf<'RelabelObserved'>;
  /** what the file can be known by, best first */
  keys: readonly string[];
  /** the same if mounts have changed since; best first */
  formerKeys: readonly string[];
  /** any key of the file; null while no guest is known to use it */
  file: string | null;
  by: Match;
  storage: Storage | null;
  /** it may be of an image that a guest never listed */
  isDoubtful: boolean;
  /** what it meant for each guest, by the guest's key, as last revised */
  rows: Map<string, { family: Family; report: RelabelReport }>;
  isTold: boolean;
  /** it was there when other events of its guests were let go, or it was said to come too late */
  isOver: boolean;
}

export function fileCall(entry: Entry): FileCall {
  return {
    entry,
    event: entry.event as EventOf<'RelabelObserved'>,
    keys: [],
    formerKeys: [],
    file: null,
    by: 'identity',
    storage: null,
    isDoubtful: false,
    rows: new Map(),
    isTold: false,
    isOver: false,
  };
}
