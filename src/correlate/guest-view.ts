import type { GuestRef } from '../domain/report.js';
import type { GuestCustody } from './custody.js';
import type { HostRecord } from './host-record.js';
import type { ImageCall } from './image-call.js';
import type { ImageUse } from './images.js';
import type { Suffering } from './impact.js';
import type { Judgement } from './judge.js';
import type { Migration } from './migrations.js';

/** Everything that was worked out about one guest: what findings and timeline are made of. */
export interface GuestView {
  key: string;
  ref: GuestRef;
  custody: GuestCustody;
  images: readonly ImageUse[];
  judgements: Judgement[];
  migrations: Migration[];
  /** by host */
  suffering: Map<string, Suffering>;
}

/** What findings may look at beyond their guest. */
export interface FleetView {
  records: ReadonlyMap<string, HostRecord>;
  callsOnFile: (fileId: string) => readonly ImageCall[];
}
