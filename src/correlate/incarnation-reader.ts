import type { Event, GuestLabelAssigned } from '../events/event.js';
import { coversAny, coversUntil, type HostRecord, START_FOLLOWS_US } from './host-record.js';
import { DENIED } from './impact.js';
import { BEFORE, type Incarnation, newIncarnation, type Source, setLabels } from './incarnation.js';
import { START_STOP_STREAMS } from './streams.js';

function sourceOf(event: Event): Source {
  return event.stream === 'daemon-log' ? 'daemon-log' : 'audit';
}

/** Statuses of a migration during which a STOP is for the hand-over. */
const COPYING: ReadonlySet<string> = new Set(['setup', 'active', 'pre-switchover', 'device']);
/** Statuses that a migration's source has only with its guest stopped (a save goes straight to `device`). */
const SWITCHING_OVER: ReadonlySet<string> = new Set(['pre-switchover', 'postcopy-active', 'postcopy-paused']);

/** Statuses of a migration's source while its guest runs; a source that has handed it over goes on to others. */
const SOURCE_GOES_ON: ReadonlySet<string> = new Set(['setup', 'active', 'failed', 'cancelled']);

/** Domain events of virsh that no paused source of a migration gives. */
const NEEDS_A_RUNNING_GUEST: ReadonlySet<string> = new Set([
  'device-added',
  'device-removed',
  'block-job',
  'block-job-2',
]);

/** The streams of one host tell of one start or stop within this time of each other. */
const SAME_MOMENT_US = 10_000_000;

/** Reads one guest's marks in the order of one host's record. */
export class IncarnationReader {
  readonly incarnations: Incarnation[] = [];
  private open: Incarnation | null = null;
  private jobStatus: string | null = null;
  /** `setup` after a hand-over whose end is not on record */
  private newAttempt: number | null = null;
  /** a snapshot said that the guest was not running here */
  private absentAt = BEFORE;
  private readonly guest: string;
  private readonly record: HostRecord;

  constructor(guest: string, record: HostRecord) {
    this.guest = guest;
    this.record = record;
  }

  read(event: Event, position: number): void {
    switch (event.kind) {
      case 'GuestLabelAssigned':
        this.label(event.body, position);
        break;
      case 'GuestStarted':
        this.start(event.body.reason, event.body.success, position, sourceOf(event));
        break;
      case 'GuestStopped':
        this.stop(event.body.reason, position, sourceOf(event));
        break;
      case 'LifecycleChanged':
        this.lifecycle(event.body.event, event.body.detail, position);
        break;
      case 'VcpusResumed':
        this.resume(null, position);
        break;
      case 'VcpusStopped':
        this.suspend(null, position);
        break;
      case 'MigrationStatusChanged':
        this.migration(event.body.status, position);
        break;
      case 'GuestIoError':
        this.alive(position);
        if (this.open && DENIED.test(event.body.reason ?? '')) this.open.wasDenied = true;
        break;
      case 'ImageAssigned':
        // plugging, snapshots and block jobs need a running guest; the list of a start does not
        if (event.body.source === 'audit' && event.body.reason !== 'start') this.working(position);
        break;
      case 'DomainEventSeen':
        if (event.body.event === 'guest-log:shutting-down' && this.open) {
          this.open.shuttingDown = { at: position, reason: event.body.detail };
        }
        if (NEEDS_A_RUNNING_GUEST.has(event.body.event)) this.working(position);
        break;
      case 'DaemonChanged':
        if (event.body.daemon === 'host') this.hostStarted(position);
        else this.open?.daemonRestarts.push(position);
        break;
      default:
        break; // the rest says nothing about a QEMU process
    }
  }

  /** A snapshot of the host's guests named this one. */
  listed(state: string, reason: string | null, position: number): void {
    const runs = state === 'running' || state === 'paused' || state === 'blocked' || state === 'pmsuspended';
    if (!runs) {
      this.absentAt = position;
      if (this.open) this.close(position, reason ?? state, true);
      return;
    }
    const incoming = state === 'paused' && reason === 'migrating';
    const current = this.open ?? this.beginUnseen(!incoming, position);
    if (incoming && current.started !== null && current.opened === BEFORE) current.kind = 'incoming';
    if (!incoming) this.ownsBy(position);
    if (state === 'running') this.working(position);
    this.see(position);
  }

  /** Whatever ran here ended with the machine, at some time before. */
  private hostStarted(position: number): void {
    this.absentAt = position;
    this.close(position, 'host restarted', true);
  }

  private label(body: GuestLabelAssigned, position: number): void {
    if (body.source === 'domain-xml') {
      // the XML of a running guest; an inactive one has no labels
      const current = this.open ?? this.beginUnseen(true, position);
      setLabels(current, body, false);
      this.see(position);
      return;
    }
    const known = body.model === 'dac' ? this.open?.labels.dac : this.open?.labels.selinux;
    const repeats = body.source === 'audit' && known != null;
    if (this.open && (this.open.started !== null || repeats)) this.close(position, 'unseen', true);
    const current = this.open ?? this.begin(position);
    setLabels(current, body, body.source === 'audit');
    this.see(position);
  }

  private start(reason: string, success: boolean, position: number, source: Source): void {
    const migrated = reason === 'migrated';
    let current = this.open;
    const last = this.incarnations.at(-1);
    if (
      !current &&
      last?.startFailed &&
      !last.startedBy.has(source) &&
      this.sameMoment(last.ended ?? BEFORE, position)
    ) {
      last.startedBy.add(source);
      if (!success) return;
    }
    if (current?.provisionalSince != null && this.sameMoment(current.provisionalSince, position)) {
      // QEMU's own events of this start came first: RESUME stands before Started Booted, setup before Started Migrated
      current.opened = current.provisionalSince;
      current.started = null;
      current.owns = migrated ? null : current.provisionalSince;
      current.jobs = [];
    }
    if (current && current.started !== null) {
      const sameStart = (current.startReason === 'migrated') === migrated;
      if (current.started !== BEFORE && !current.startedBy.has(source) && sameStart) {
        current.startedBy.add(source);
        this.see(position);
        return;
      }
      this.close(position, 'unseen', true);
      current = null;
    }
    current ??= this.begin(position);
    current.kind = migrated ? 'incoming' : 'booted';
    current.startReason = reason;
    current.started = position;
    current.startedBy.add(source);
    current.provisionalSince = null;
    this.see(position);
    if (!success) {
      current.startFailed = true;
      current.owns = null;
      this.close(position, 'failed', false);
      return;
    }
    if (!migrated) current.owns ??= position;
  }

  private stop(reason: string, position: number, source: Source): void {
    // the next start can have begun before the slower stream tells of the end
    const isBetween = this.open === null || this.open.started === null;
    const last = this.incarnations.findLast((each) => each !== this.open);
    if (
      isBetween &&
      last?.ended != null &&
      !last.endedBy.has(source) &&
      this.sameMoment(last.ended, position)
    ) {
      last.endedBy.add(source);
      return;
    }
    // whoever ends by migration, save or shutdown owned; a failure may be an incoming guest's
    const owned = reason !== 'failed' && reason !== 'crashed' && reason !== 'destroyed';
    const current = this.open ?? this.beginUnseen(owned, position);
    if (owned) this.ownsBy(position);
    // a guest that was shut down or saved here had come back to life here
    if (reason === 'shutdown' || reason === 'saved') this.working(position);
    current.endedBy.add(source);
    this.see(position);
    this.close(position, reason, false);
  }

  private lifecycle(event: string, detail: string, position: number): void {
    switch (event) {
      case 'Started':
        this.start(detail.toLowerCase(), true, position, 'virsh');
        break;
      case 'Stopped':
        this.stop(detail.toLowerCase(), position, 'virsh');
        break;
      case 'Resumed':
        this.resume(detail, position);
        break;
      case 'Suspended':
        this.suspend(detail, position);
        break;
      default:
        break; // Defined, Undefined, Shutdown, PMSuspended, Crashed: no QEMU process begins, ends or is handed over
    }
  }

  private resume(detail: string | null, position: number): void {
    if (!this.open) {
      // begun before the record: `Resumed Migrated` can be a take-over or a source that goes on
      const begun = this.beginUnseen(detail === 'Unpaused', position);
      begun.owns ??= position;
      begun.provisionalSince = position;
      if (detail === 'Post-copy') begun.kind = 'incoming';
      this.owned(position);
      return;
    }
    const handOver = this.open.handOvers.at(-1);
    if (handOver?.result === 'open') {
      handOver.result = 'resumed';
      handOver.to = position;
    }
    this.open.owns ??= position;
    if (detail === 'Post-copy') this.open.resumedPostCopy = true;
    else if (detail !== null) this.open.copyEnded ??= position;
    this.owned(position);
  }

  private suspend(detail: string | null, position: number): void {
    const current = this.open ?? this.beginUnseen(true, position);
    if (detail === 'Paused') this.working(position);
    current.provisionalSince = null;
    // it ran until now, unless this is what a guest says that was stopped before
    if (detail?.startsWith('Post-copy')) this.see(position);
    else this.owned(position);
    if (current.owns === null) {
      // a paused guest is handed over paused: this is the only sign of it
      if (detail === 'Paused' && current.started !== null) current.owns = position;
      return;
    }
    const copying = this.jobStatus !== null && COPYING.has(this.jobStatus);
    const postCopy = detail === 'Post-copy' || detail === 'Post-copy Error';
    if (detail !== 'Migrated' && !postCopy && !(detail === null && copying)) return;
    const running = current.handOvers.at(-1);
    // stopped for hand-over once more, so it had gone on meanwhile
    if (detail === 'Migrated' && running && !this.sameMoment(running.from, position)) this.working(position);
    if (detail === 'Post-copy Error') this.postCopyBroke(current, position);
    if (running?.result === 'open') running.postCopy ||= postCopy;
    // `Suspended Post-copy Error` on a host that was given the guest is the destination's: it keeps it
    else if (detail !== 'Post-copy Error' || current.kind !== 'incoming' || current.jobs.length > 0) {
      current.handOvers.push({ from: position, to: null, result: 'open', postCopy, brokenAt: null });
    }
  }

  private migration(status: string, position: number): void {
    this.jobStatus = status;
    if (!this.open) {
      // the status of an incoming guest reads the same: only with its start on record is it told apart
      this.beginUnseen(true, position, false, this.endOfStart(position)).provisionalSince = position;
    }
    const current = this.open as unknown as Incarnation;
    if (SOURCE_GOES_ON.has(status)) this.owned(position);
    else this.see(position);
    if (status === 'postcopy-paused') this.postCopyBroke(current, position);
    if (isFinal(status)) current.copyEnded ??= position;
    if (current.owns === null) return; // status of the incoming side
    if (current.handOvers.at(-1)?.result === 'open') {
      // a new attempt to move a guest that is still here, unless a start follows at once: then it is one to receive it
      if (status === 'setup') this.newAttempt = position;
      else if (this.newAttempt !== null && this.startsAreSeen(current, position))
        this.working(this.newAttempt);
    }
    if (status !== 'setup') this.newAttempt = null;
    const job = current.jobs.at(-1);
    if (status === 'setup' || !job || isFinal(job.status)) {
      if (status !== 'none') current.jobs.push({ from: position, to: position, status });
      return;
    }
    job.to = position;
    job.status = status;
    const handOver = current.handOvers.at(-1);
    if (handOver?.result === 'open') {
      handOver.postCopy ||= status.startsWith('postcopy');
      if (status === 'failed' || status === 'cancelled') {
        handOver.result = 'resumed';
        handOver.to = position;
      }
    } else if (SWITCHING_OVER.has(status)) {
      // the STOP that belongs to it was lost
      current.handOvers.push({
        from: position,
        to: null,
        result: 'open',
        postCopy: status.startsWith('postcopy'),
        brokenAt: null,
      });
    }
  }

  private postCopyBroke(current: Incarnation, position: number): void {
    const handOver = current.handOvers.at(-1);
    if (handOver?.result === 'open') handOver.brokenAt ??= position;
    else current.copyEnded ??= position;
  }

  private startsAreSeen(current: Incarnation, position: number): boolean {
    const from = current.handOvers.at(-1)?.from ?? BEFORE;
    return coversAny(this.record, START_STOP_STREAMS, from, position);
  }

  /** Something that only a running guest's QEMU says; a last word can be written after the end. */
  private alive(position: number): void {
    const last = this.incarnations.at(-1);
    if (!this.open && last?.ended != null && this.sameMoment(last.ended, position)) return;
    if (!this.open) this.beginUnseen(true, position);
    if (this.open) this.open.provisionalSince = null;
    this.ownsBy(position);
    this.owned(position);
  }

  /**
   * Something that happens only to a guest that runs here. A source whose daemon died in the hand-over resumes its
   * guest without a word: this is how it shows.
   */
  private working(position: number): void {
    this.alive(position);
    const handOver = this.open?.handOvers.at(-1);
    if (handOver?.result === 'open') {
      handOver.result = 'resumed';
      handOver.to = position;
      this.owned(position);
    }
  }

  /** A sign that this host owned the guest by now, though its take-over is in no record. */
  private ownsBy(position: number): void {
    if (!this.open || this.open.owns !== null) return;
    if (this.open.started === null) {
      // the record of its start is missing, and so is whether the guest came from elsewhere
      this.open.started = this.open.opened;
      this.open.ownsEarlier = true;
    }
    this.open.owns = position;
    this.open.tookOverAt = 'before';
  }

  /**
   * An incarnation whose start the record does not have: it began before the record, or a hole hides its start, and
   * then nothing before this mark is certain.
   *
   * @param owned the mark is one that only an owner gives
   * @param until_us when the record of the start stands at the latest, if it began with this mark
   */
  private beginUnseen(
    owned: boolean,
    position: number,
    certain = owned,
    until_us = this.record.times[position] as number,
  ): Incarnation {
    const since = Math.max(this.incarnations.at(-1)?.ended ?? BEFORE, this.absentAt);
    const fromBefore = since === BEFORE && coversUntil(this.record, START_STOP_STREAMS, until_us);
    const begun = this.begin(since);
    begun.started = since;
    if (fromBefore && owned) begun.owns = BEFORE;
    else {
      begun.ownsEarlier = true;
      if (certain) begun.owns = position;
    }
    return begun;
  }

  private begin(opened: number): Incarnation {
    this.jobStatus = null;
    const begun = newIncarnation(this.guest, this.record.host, opened);
    this.open = begun;
    this.newAttempt = null;
    this.incarnations.push(begun);
    return begun;
  }

  private see(position: number): void {
    if (this.open) this.open.lastSeen = Math.max(this.open.lastSeen, position);
  }

  /** What only an owner says, or one that was until now; what a paused source says is no sign that it still is. */
  private owned(position: number): void {
    this.see(position);
    if (this.open?.owns != null && this.open.handOvers.at(-1)?.result !== 'open')
      this.open.signs.push(position);
  }

  /** The last moment at which the record of a start can stand of which this is the first sign. */
  private endOfStart(position: number): number {
    return this.record.lastTimeUntil((this.record.times[position] as number) + START_FOLLOWS_US);
  }

  private sameMoment(a: number, b: number): boolean {
    const [earlier, later] = [this.record.times[a], this.record.times[b]];
    return earlier !== undefined && later !== undefined && later - earlier <= SAME_MOMENT_US;
  }

  private close(position: number, reason: string, unseen: boolean): void {
    const current = this.open;
    if (!current) return;
    current.ended = position;
    current.endReason = reason;
    current.endUnseen = unseen;
    const handOver = current.handOvers.at(-1);
    if (handOver?.result === 'open') {
      handOver.to = position;
      if (!unseen && reason === 'migrated') handOver.result = 'ended';
    } else if (!unseen && reason === 'migrated' && current.owns !== null) {
      // the guest was paused, or nothing but the audit log was kept: no STOP marks the hand-over
      current.handOvers.push({
        from: position,
        to: position,
        result: 'ended',
        postCopy: false,
        brokenAt: null,
      });
    }
    this.open = null;
    this.jobStatus = null;
  }
}

function isFinal(status: string): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}
