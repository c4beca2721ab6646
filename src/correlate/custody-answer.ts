import type { MissingEvidence, Proof } from '../domain/verdict.js';
import type { Incarnation } from './incarnation.js';
import type { LocalState } from './local-state.js';

/**
 * Who owned a guest at a position of one host's record.
 *
 * The answer rests on that host's own order and on the existence of events elsewhere, never on two hosts' clocks
 * (docs/internals/correlation.md argues each case).
 */
export type Custody =
  /** the asking host owned the guest, or was just starting it */
  | { kind: 'this-host'; incarnation: Incarnation; starting: boolean; proof: Proof[] }
  /**
   * another host owned it; `owner` is null when it was one of several, `isTraced` when the records lead to the candidates:
   * else they are all that ever owned it elsewhere
   */
  | {
      kind: 'other';
      owner: string | null;
      candidates: Incarnation[];
      isTraced: boolean;
      proof: Proof[];
      local: LocalState;
    }
  /** nobody ran it */
  | { kind: 'nobody'; proof: Proof[] }
  /** the records do not tell; `candidates` may have owned it */
  | {
      kind: 'unknown';
      candidates: Incarnation[];
      missing: MissingEvidence[];
      order: boolean;
      local: LocalState;
    };
