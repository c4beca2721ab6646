import type { ByteText } from '../domain/byte-text.js';

/**
 * The life of a guest on one host, read from that host's record alone.
 *
 * Positions are those of the host's record. `BEFORE` stands for "before the record begins".
 */
export const BEFORE = -1;

export type IncarnationKind =
  /** start reason migrated: the guest runs elsewhere until it resumes here */
  | 'incoming'
  /** booted, restored, from-snapshot: the guest begins to run here */
  | 'booted'
  /** its start is not in the record */
  | 'unknown';

/** One pause for hand-over, and what became of it. */
export interface HandOver {
  from: number;
  to: number | null;
  result: 'resumed' | 'ended' | 'open';
  postCopy: boolean;
  /** where the source said that its post-copy migration had broken */
  brokenAt: number | null;
}

export interface Incarnation {
  guest: string;
  host: string;
  kind: IncarnationKind;
  startReason: string | null;
  /** first sign of it: the label assigned before the start, or the start itself */
  opened: number;
  /** op=start / Started; null while only the label was assigned, BEFORE when it began before the record */
  started: number | null;
  startFailed: boolean;
  /** from here on this host owned the guest; null when it never did, BEFORE when it did already */
  owns: number | null;
  /** `owns` is the take-over itself, not merely a later sign that it had happened */
  tookOverAt: 'exactly' | 'before';
  /** it resumed in the middle of a post-copy migration */
  resumedPostCopy: boolean;
  /** where QEMU said that the copy was over, or libvirt that a post-copy migration had broken */
  copyEnded: number | null;
  /** true when ownership before `owns` cannot be excluded: the record begins inside the incarnation */
  ownsEarlier: boolean;
  handOvers: HandOver[];
  ended: number | null;
  endReason: string | null;
  /** the end was concluded from what came later, not recorded */
  endUnseen: boolean;
  /** the per-guest log said `shutting down`: written before the labels are restored and before op=stop */
  shuttingDown: { at: number; reason: string } | null;
  /** last sign of life: any mark of this incarnation */
  lastSeen: number;
  /** where the record shows that this host owned the guest, ascending */
  signs: number[];
  /** its QEMU was refused access to an image: somebody had taken the label away while it ran */
  wasDenied: boolean;
  /** outgoing migration jobs, by their status events */
  jobs: { from: number; to: number; status: string }[];
  /** the daemon went away or came back while the incarnation was open */
  daemonRestarts: number[];
  labels: { dac: ByteText | null; selinux: ByteText | null; selinuxProcess: ByteText | null };
  /** streams that told of its start, and of its end: each tells once */
  startedBy: Set<Source>;
  endedBy: Set<Source>;
  /** marks so far are only such as a start can be preceded by, and this is the position of the first */
  provisionalSince: number | null;
}

/** Streams that tell of starts and ends. */
export type Source = 'audit' | 'daemon-log' | 'virsh';

/** What one host's record says about one guest. */
export interface GuestRecord {
  host: string;
  incarnations: Incarnation[];
  /** a snapshot of the host listed the guest as not running, last at this position */
  listedOff: number | null;
  /** where the host wrote `Defined Added` */
  definedAt: number[];
}

/** As it is before anything is known of it but its first sign. */
export function newIncarnation(guest: string, host: string, opened: number): Incarnation {
  return {
    guest,
    host,
    kind: 'unknown',
    startReason: null,
    opened,
    started: null,
    startFailed: false,
    owns: null,
    tookOverAt: 'exactly',
    resumedPostCopy: false,
    copyEnded: null,
    ownsEarlier: false,
    handOvers: [],
    ended: null,
    endReason: null,
    endUnseen: false,
    shuttingDown: null,
    lastSeen: opened,
    signs: [],
    wasDenied: false,
    jobs: [],
    daemonRestarts: [],
    labels: { dac: null, selinux: null, selinuxProcess: null },
    startedBy: new Set(),
    endedBy: new Set(),
    provisionalSince: null,
  };
}

/** @param replace what was said before counts no more */
export function setLabels(
  incarnation: Incarnation,
  body: { model: string; image_label: ByteText | null; process_label: ByteText | null },
  replace: boolean,
): void {
  const { labels } = incarnation;
  if (body.model === 'dac' && (replace || labels.dac === null)) labels.dac = body.image_label;
  if (body.model === 'selinux' && (replace || labels.selinux === null)) {
    labels.selinux = body.image_label;
    labels.selinuxProcess = body.process_label;
  }
}
