import type { EventOf } from '../events/event.js';
import type { HostRecord } from './host-record.js';
import type { ImageFile, Match } from './images.js';
import type { Storage } from './storage.js';

/** A call on an image, with all that is known about the file. */
export interface ImageCall {
  event: EventOf<'RelabelObserved'>;
  record: HostRecord;
  position: number;
  file: ImageFile;
  match: Match;
  storage: Storage | null;
}
