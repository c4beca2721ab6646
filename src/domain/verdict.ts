/** Verdicts, the proofs they rest on, the reasons they give and the causes of findings: each a closed list. */

export type Verdict = 'violation' | 'clean' | 'undetermined';

/** What the call did to the label, as far as evidence tells. */
export type Effect = 'changed' | 'unchanged' | 'failed' | 'unknown';

/** How we know who owned the guest. Reasoned out in docs/internals/correlation.md. */
export const PROOFS = {
  'P1-failed-incoming':
    'the incoming guest never ran on this host: its start failed or it ended without ever resuming',
  'P2-handed-off-source': 'this host had stopped the guest for hand-over, and the migration succeeded',
  'P3-before-takeover': 'an incoming guest was being prepared on this host and had not yet resumed here',
  'P4-source-resumed':
    'this host had suspended the guest for hand-over and resumed it: it is the owner again',
  'P5-peer-resumed': 'the guest resumed on the host it was handed to',
  'P6-steady-owner':
    'another host ran the guest through the whole of what it recorded, without a start, stop or hand-over',
  'P7-own-incarnation': 'this host itself ran the guest at that point of its own record',
  'P8-chain-of-owners':
    'the guest ran throughout, always on one of the other hosts, handed over between them',
} as const;
export type Proof = keyof typeof PROOFS;

export const REASONS = {
  'non-owner-relabel': 'a host that did not own the running guest asked for a label its owner cannot use',
  'second-incarnation': 'two hosts ran the guest at once, and one relabelled the image under the other',
  'owner-relabel': 'the host that owned the guest relabelled its own image',
  'no-running-guest': 'no guest that uses the image was running',
  'asked-equals-needed': 'the label asked for is the one that the owner needs',
  'already-so': 'this host had set the same label before and nobody had changed it since',
  unchanged: 'the label asked for is the one the file had, by the record of the call itself',
  'attempt-failed': 'the call failed, so nothing changed',
  'host-local': 'the file is on storage of this host alone',
  'not-a-label': 'the call touched an attribute that does not decide access',
  'detached-image': 'the image was no longer, or not yet, part of a running guest',
  'owner-unknown': 'the records do not tell who owned the guest at that point',
  'order-unknown':
    'the records do not order this call against the guest’s start, end or hand-over on another host',
  'need-unknown': 'the records do not tell which label the owner needs',
  'asked-unknown': 'the record does not tell which label was asked for',
  'file-unknown': 'the record does not tell which file was meant',
  'storage-unknown': 'the records do not tell whether the storage is shared',
  'evidence-gap': 'records that could decide are missing',
  expired: 'what could decide was settled long ago and is not kept any more',
} as const;
export type Reason = keyof typeof REASONS;

export const CAUSES = [
  'destination-cleanup-after-failure',
  'source-cleanup-after-handover',
  'destination-config-mismatch',
  'destination-own-categories',
  'source-restart-after-handover',
  'foreign-host',
  'foreign-program',
  'second-start',
  'postcopy-source-destroyed',
  'shared-storage-unrecognised',
  'records-lost',
] as const;
export type Cause = (typeof CAUSES)[number];

export type Severity = 'critical' | 'warning' | 'info';

/** Evidence that would settle an undetermined verdict, and where to get it. */
export interface MissingEvidence {
  /** stable name, for filters */
  what:
    | 'audit-records'
    | 'guest-state'
    | 'label-needed'
    | 'label-asked'
    | 'image-list'
    | 'mounts'
    | 'file-identity'
    | 'order'
    | 'peer-host'
    | 'expired-records';
  /** host whose record it is; null when any host's would do */
  host: string | null;
  /** one sentence: what is missing and what would settle it */
  text: string;
}
