// Generated from schemas/ by `npm run generate`: change the schema, then run it and release the schema.
import type { ByteText } from '../domain/byte-text.js';

/** What the processor says of one item of a cluster's report from now on. */
export interface Conclusion {
  cluster: string;
  table: 'hosts' | 'timeline' | 'relabels' | 'migrations' | 'findings';
  /** unique in its cluster and table */
  id: ByteText;
  /** counts what was said differently, from 1; a retraction is a revision */
  revision: number;
  /** counts the records of this item, from 1: of two, the one with the higher version holds */
  version: number;
  /** it is no longer said; `item` is empty then */
  retracted: boolean;
  /**
   * true once every host it rests on has said everything up to it; false before; null where there is no
   * verdict to confirm
   */
  confirmed: boolean | null;
  /** hosts that keep it from being confirmed */
  waits_for: string[];
  /** whose clock `at_us` is */
  host: string;
  /** µs since the epoch */
  at_us: number;
  /** whose records it rests on */
  hosts: string[];
  /** the items of one guest, or of a table without guests, sort by this, then by `place` */
  order_us: number;
  /** among those of the same `order_us` */
  place: number;
  /** of the item; an equal one says the same */
  digest: string;
  /** JSON, as in the report */
  item: Buffer;
}

/** A record that could not be used, as it came. */
export interface DeadLetter {
  /** code of the error */
  reason: string;
  /** what is wrong with it, in words */
  text: string;
  /** the group that could not use it */
  group: string;
  topic: string;
  partition: number;
  offset: number;
  /** when the log took it in, µs since the epoch */
  appended_us: number;
  key: ByteText;
  value: Buffer;
}
