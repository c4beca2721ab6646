import type { Cause } from '../domain/verdict.js';

/** What really happened, known because we made it happen. True times are µs since the epoch on no host's clock. */
export interface Truth {
  relabels: TrueRelabel[];
  migrations: TrueMigration[];
  tenures: TrueTenure[];
}

export interface TrueRelabel {
  /** id of the `RelabelObserved` event */
  id: string;
  host: string;
  serial: number;
  true_us: number;
  /** UUIDs of the guests that the file belongs to */
  guests: string[];
  path: string;
  shared: boolean;
  /** did the label of the file change */
  effective: boolean;
  /** host that had each guest then; null when it ran nowhere */
  owners: Record<string, string | null>;
  /** an effective change, to something else than the owner's QEMU needs, by a host that did not own the guest */
  violation: boolean;
  /** what it is when it is a violation */
  cause: Cause | null;
  /** why perfect reasoning over the events cannot settle it; empty when it can */
  unknowable: Unknowable[];
}

export type Unknowable =
  /** nothing orders the call against a start, end or hand-over on another host */
  | 'order'
  /** the record does not say which label was asked for */
  | 'asked'
  /** nothing that was collected ties the file to the guest */
  | 'image-list'
  /** mounts of the host were not read */
  | 'mounts'
  /** the owner's label was never stated */
  | 'need'
  /** libvirt's events about the guest were not collected, or were lost with the daemon */
  | 'guest-state'
  /** no change, for the file had this wrong label; but another host also set labels of it, in an order that nothing tells */
  | 'already-wrong';

export interface TrueMigration {
  guest: string;
  from: string;
  to: string;
  began_us: number;
  ended_us: number;
  /** `unfinished`: the history ends before libvirt knew */
  outcome: 'succeeded' | 'failed' | 'unfinished';
  /** who had the guest afterwards; null: nobody */
  owner_after: string | null;
  /** which hosts' events show it at all */
  visible_on: 'both' | 'destination' | 'neither';
}

/** One host's uninterrupted ownership of one guest. A successful hand-over changes the owner when the source stops its vCPUs. */
interface TrueTenure {
  guest: string;
  host: string;
  /** null: since before the history began */
  from_us: number | null;
  /** null: until after its end */
  to_us: number | null;
}
