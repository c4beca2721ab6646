import type { ByteText } from './byte-text.js';
import type { Label } from './label.js';
import type { Cause, Effect, MissingEvidence, Proof, Reason, Severity, Verdict } from './verdict.js';

/**
 * What the correlator says about a set of events: the object that `replay --format json` prints, the rows that the
 * store keeps, the source of every text page. Times are µs since the epoch on the clock of the host they belong
 * to (`at_us`); the printers turn them into RFC 3339.
 */
export interface Report {
  hosts: HostReport[];
  migrations: MigrationReport[];
  relabels: RelabelReport[];
  findings: FindingReport[];
  timeline: TimelineEntry[];
}

export interface GuestRef {
  /** null when no record tied the name to a UUID */
  uuid: string | null;
  name: ByteText | null;
}

/** Key of a guest that is the same wherever it is asked for: its UUID, or its name where no record ties one to it. */
function guestKey({ uuid, name }: GuestRef): string {
  return uuid ?? `name:${name}`;
}

export interface HostReport {
  host: string;
  /** events of this host that were taken in: no duplicates, no relabels of files that no record ties to a guest */
  events: number;
  first_us: number | null;
  last_us: number | null;
  gaps: GapReport[];
}

export interface GapReport {
  stream: string;
  kind: string;
  from_us: number | null;
  to_us: number | null;
  /** records known to be lost; null when nobody counted */
  lost: number | null;
  text: string;
}

export type MigrationKind = 'live' | 'post-copy' | 'paused' | 'offline' | 'unknown';

export interface MigrationReport {
  id: string;
  guest: GuestRef;
  kind: MigrationKind;
  from: string | null;
  to: string | null;
  began_us: number | null;
  ended_us: number | null;
  /** did libvirt's migration finish: source confirmed, destination kept the guest */
  outcome: 'succeeded' | 'failed' | 'unknown';
  /** who had the guest afterwards; a migration can fail after the hand-over and leave the guest on the destination */
  owner_after: string | null;
  /**
   * What the names of the hosts rest on. `by-clocks`: the records allow several orders of hand-overs, and the one
   * that asks least of the hosts' clocks is shown; no verdict rests on it. `inferred`: a definition is all there is.
   */
  certainty: 'proven' | 'by-clocks' | 'inferred';
  /** one sentence: what the outcome rests on */
  text: string;
}

export interface ImageRef {
  /** the name the call used, else a known name of the file */
  path: ByteText | null;
  /** `server:/export`, `9p:tag`, `host:device` …: which storage; null when unknown */
  storage: string | null;
  inode: string | null;
}

export interface RelabelReport {
  id: string;
  host: string;
  at_us: number;
  /** audit serial */
  serial: number;
  call: string;
  success: boolean | null;
  guest: GuestRef | null;
  image: ImageRef;
  before: Label | null;
  after: Label | null;
  effect: Effect;
  /** host that owned the guest at that point; null when unknown or none */
  owner: string | null;
  verdict: Verdict;
  reason: Reason;
  proof: Proof[];
  missing: MissingEvidence[];
  actor: { exe: ByteText | null; comm: ByteText | null; pid: number | null; auid: number | null };
}

export type Access = 'lost' | 'read-only' | 'kept' | 'lost-on-refresh' | 'unknown';

export interface FindingReport {
  id: string;
  kind: 'relabel' | 'suspected-relabel' | 'unrecognised-storage';
  cause: Cause;
  severity: Severity;
  state: 'open' | 'resolved';
  guest: GuestRef;
  /** host whose call it was */
  host: string;
  owner: string | null;
  migration: string | null;
  images: ImageRef[];
  opened_us: number;
  resolved_us: number | null;
  /**
   * From the first bad relabel to the one that restored access, on one clock: where they were made on two hosts, from
   * the first refused I/O on the host of the repair. Null while open or not measurable so.
   */
  exposure_ms: number | null;
  impact: {
    /** can the owner's QEMU still open the image */
    access: Access;
    io_errors: number;
    first_io_error_us: number | null;
    paused: boolean;
    /** one sentence */
    text: string;
  };
  relabels: string[];
  /** what happened, in one sentence */
  summary: string;
  /** why it happened, in one sentence */
  explanation: string;
  remedy: Remedy;
  verdict: Verdict;
  proof: Proof[];
  missing: MissingEvidence[];
  revision: number;
}

export interface Remedy {
  /** commands to run now, each on the host it names */
  commands: { host: string; command: string }[];
  /** what to change so that it does not come back */
  prevention: string;
}

export interface TimelineEntry {
  at_us: number;
  host: string;
  guest: GuestRef | null;
  kind: string;
  text: string;
  /** id of the event */
  event: string;
  witness: ByteText[];
}

/** Identity of an entry: an event stands once in the timeline of each guest that it concerns. */
export function timelineId({ event, guest }: Pick<TimelineEntry, 'event' | 'guest'>): string {
  return guest === null ? event : `${event}#${guestKey(guest)}`;
}
