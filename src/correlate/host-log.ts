import type { HostReport } from '../domain/report.js';
import type { EventOf, Stream } from '../events/event.js';
import { CorrectedClock, type CorrectedStream, correctedTimes } from './clock-steps.js';
import { compareEntries, type Entry, insertSorted, lowerBound } from './entry.js';
import { Gaps, gapsOf, isOpenEnd } from './gaps.js';
import { type HostFacts, mergeFacts } from './host-facts.js';
import { type HostRecord, START_FOLLOWS_US } from './host-record.js';
import type { HostRemains } from './remains.js';
import { StreamLog } from './stream-log.js';

/** What became different for guests that the new events do not name. */
export interface Change {
  /** something that is said of the host as a whole, or something in the order of what was there */
  forAll: boolean;
  /** the order or time of what was there */
  isMoved: boolean;
  /** where files lie */
  storages: boolean;
}

/** Streams that only a host with libvirt has, even while they hold nothing. */
const LIBVIRT_STREAMS: readonly Stream[] = ['virsh-event', 'qemu-monitor-event', 'daemon-log', 'guest-log'];

/** Kinds of event that only a host with libvirt and guests gives. */
const SAID_BY_A_HYPERVISOR: ReadonlySet<string> = new Set([
  'GuestStarted',
  'GuestStopped',
  'GuestLabelAssigned',
  'LifecycleChanged',
  'VcpusStopped',
  'VcpusResumed',
  'MigrationStatusChanged',
  'GuestIoError',
  'GuestsListed',
]);

/** With fewer new events than this, or than this share of what is there, each is put into its place alone. */
const PLACED_MAX = 64;
const PLACED_SHARE_MAX = 0.1;

/** Everything that one host wrote, in order, and what it says of the host as a whole. */
export class HostLog {
  readonly host: string;
  facts: HostFacts = mergeFacts([]);
  gaps = new Gaps([]);
  /** streams that were read, even when they held nothing */
  readonly streams = new Set<Stream>();
  /** in order: changes of libvirt's daemons and lists of all guests, which concern every guest */
  readonly common: Entry[] = [];
  /** in order: what the security driver said that it would do to a file */
  readonly announcements: Entry[] = [];
  readonly gapEntries: Entry[] = [];
  /** where streams ended, and the event by which each was heard again */
  private readonly heardAgain = new Map<Entry, Entry | null>();
  readonly factEntries: Entry[] = [];
  private readonly logs = new Map<Stream, StreamLog>();
  /** time up to which each stream is complete; µs */
  private readonly complete_us = new Map<Stream, number>();
  private clock = new CorrectedClock([], []);
  private saidByHypervisor = false;
  private storageKey = '';
  private factsKey = '';
  private wideKey = '';
  /** stamp of the first event, whatever it is about; µs */
  private began_us = 0;
  private firstStamp_us: number;
  private lastStamp_us: number;

  private readonly letGo: HostRemains | null;

  constructor(host: string, letGo: HostRemains | null = null) {
    this.host = host;
    this.letGo = letGo;
    this.saidByHypervisor = letGo?.isHypervisor ?? false;
    this.firstStamp_us = letGo?.first_us ?? Number.POSITIVE_INFINITY;
    this.lastStamp_us = letGo?.last_us ?? Number.NEGATIVE_INFINITY;
  }

  get size(): number {
    let size = 0;
    for (const { entries } of this.logs.values()) size += entries.length;
    return size;
  }

  /** Takes new events in. Afterwards every entry has its time and order. */
  add(entries: readonly Entry[], isStale: boolean): Change {
    const { size } = this;
    const formerClock = this.clock;
    const isReordered = isStale || !this.placeEach(entries, size);
    // a copy that took another's place may say anything otherwise
    const isMoved = (isReordered && this.reorder(entries)) || isStale;
    if (isMoved)
      for (const list of [this.common, this.announcements, this.gapEntries, this.factEntries])
        list.sort(compareEntries);
    const { common, facts, gaps } = this.file(entries);
    if (facts || isMoved) {
      this.facts = mergeFacts(this.factEntries.map(({ event }) => event as EventOf<'HostFactsRead'>));
    }
    this.facts.hypervisor ||=
      this.saidByHypervisor || LIBVIRT_STREAMS.some((stream) => this.streams.has(stream));
    const isHeardAgain = this.hearAgain();
    const isClockOther =
      this.clock !== formerClock && JSON.stringify(this.clock) !== JSON.stringify(formerClock);
    if (facts || gaps || isMoved || isHeardAgain || isClockOther) {
      const recorded = this.gapEntries.map((gap) => ({ gap, heardAgain: this.heardAgain.get(gap) ?? null }));
      this.gaps = new Gaps(gapsOf(recorded, this.facts, this.clock), this.clock.unsettled);
    }
    const isOther = this.isSaidOtherwise(facts || isMoved);
    return {
      isMoved,
      forAll:
        common || gaps || isHeardAgain || isMoved || isOther || isClockOther || this.standAtAGap(entries),
      storages: this.areStoragesOther(facts || isMoved) || isStale,
    };
  }

  /** Where a hole begins right before it, an event of any guest tells how far starts can be seen (`lastTimeUntil`). */
  private standAtAGap(entries: readonly Entry[]): boolean {
    if (this.gaps.list.length === 0) return false;
    return entries.some(({ time }) => this.gaps.beginWithin(time - START_FOLLOWS_US, time));
  }

  private areStoragesOther(isAsked: boolean): boolean {
    if (!isAsked) return false;
    const { hostName, mounts, exports, qemuConf } = this.facts;
    const key = JSON.stringify([hostName, mounts, exports, qemuConf?.shared_filesystems]);
    const isOther = key !== this.storageKey;
    this.storageKey = key;
    return isOther;
  }

  /** Is anything else said of the host than before? What merely extends a count's last reading is not. */
  private isSaidOtherwise(areFactsAsked: boolean): boolean {
    const { auditLost, selinuxBooleans, users, groups, ...facts } = this.facts;
    if (areFactsAsked) {
      const lost = auditLost === null ? 0 : [auditLost.count, auditLost.sinceUs === null];
      this.factsKey = JSON.stringify([facts, [...users], [...groups], [...selinuxBooleans], lost]);
    }
    this.began_us = this.firstAt_us();
    const key = `${this.streams.size} ${facts.hypervisor} ${this.began_us} ${this.factsKey}`;
    const isOther = key !== this.wideKey;
    this.wideKey = key;
    return isOther;
  }

  private placeEach(entries: readonly Entry[], size: number): boolean {
    if (entries.length > Math.max(PLACED_MAX, size * PLACED_SHARE_MAX)) return false;
    for (const entry of entries) {
      const isPlaced = this.logOf(entry.event.stream).place(entry, this.clock);
      if (!isPlaced) return false;
    }
    return true;
  }

  /** @returns whether anything that was there before has now another place */
  private reorder(added: readonly Entry[]): boolean {
    const former = new Map<Entry, { time: number; order: number }>();
    for (const { entries } of this.logs.values())
      for (const entry of entries) former.set(entry, { time: entry.time, order: entry.order });
    const byStream = new Map<Stream, Entry[]>();
    for (const entry of added) {
      if (former.has(entry)) continue;
      const list = byStream.get(entry.event.stream);
      if (list) list.push(entry);
      else byStream.set(entry.event.stream, [entry]);
    }
    for (const stream of byStream.keys()) this.logOf(stream);
    for (const [stream, log] of this.logs) log.reorder(byStream.get(stream) ?? []);
    const stamped = [...this.logs.values()]
      .filter((log) => !log.isSnapshot)
      .sort((a, b) => (a.stream < b.stream ? -1 : 1));
    const looks = [...this.logs.values()].filter((log) => log.isSnapshot).flatMap((log) => log.entries);
    const corrected = correctedTimes(
      stamped.map((log) => log.entries.map(({ event }) => event.at)),
      looks.filter(({ event }) => event.kind !== 'Heartbeat').map(({ event }) => event.at),
    );
    for (const [index, log] of stamped.entries()) log.timed(corrected.streams[index] as CorrectedStream);
    this.clock = corrected.clock;
    for (const entry of looks) entry.time = this.clock.latest(entry.event.at);
    return this.isMoved(former);
  }

  private isMoved(former: ReadonlyMap<Entry, { time: number; order: number }>): boolean {
    for (const { entries } of this.logs.values()) {
      let last = Number.NEGATIVE_INFINITY;
      for (const entry of entries) {
        const was = former.get(entry);
        if (was === undefined) continue;
        if (was.time !== entry.time || was.order < last) return true;
        last = was.order;
      }
    }
    return false;
  }

  private logOf(stream: Stream): StreamLog {
    let log = this.logs.get(stream);
    if (log === undefined) {
      log = new StreamLog(stream);
      this.logs.set(stream, log);
      this.streams.add(stream);
    }
    return log;
  }

  /** Puts what concerns the host as a whole where it is looked for. */
  private file(entries: readonly Entry[]): { common: boolean; facts: boolean; gaps: boolean } {
    const found = { common: false, facts: false, gaps: false };
    for (const entry of entries) {
      const { event } = entry;
      if (event.stream !== 'host-facts' && event.stream !== 'collector') {
        if (event.at < this.firstStamp_us) this.firstStamp_us = event.at;
        if (event.at > this.lastStamp_us) this.lastStamp_us = event.at;
      }
      this.saidByHypervisor ||= SAID_BY_A_HYPERVISOR.has(event.kind);
      switch (event.kind) {
        case 'GapDetected':
          insertSorted(this.gapEntries, entry, compareEntries);
          if (isOpenEnd(event)) this.heardAgain.set(entry, null);
          found.gaps = true;
          break;
        case 'HostFactsRead':
          insertSorted(this.factEntries, entry, compareEntries);
          found.facts = true;
          break;
        case 'DaemonChanged':
          if (event.body.daemon === 'auditd') break;
          insertSorted(this.common, entry, compareEntries);
          found.common = true;
          break;
        case 'GuestsListed':
          if (!event.body.complete) break;
          insertSorted(this.common, entry, compareEntries);
          found.common = true;
          break;
        case 'RelabelIntended':
          if (
            event.body.path !== null &&
            (event.body.operation === 'set' || event.body.operation === 'restore')
          )
            insertSorted(this.announcements, entry, compareEntries);
          break;
        case 'Heartbeat':
          for (const { stream, at } of event.body.streams) {
            this.streams.add(stream);
            this.complete_us.set(stream, Math.max(this.complete_us.get(stream) ?? at, at));
          }
          break;
        default:
          break; // of guests and files, not of the host
      }
    }
    return found;
  }

  /** @returns whether any stream that had ended is now heard again, or from another event on */
  private hearAgain(): boolean {
    let isOther = false;
    for (const [gap, known] of this.heardAgain) {
      const heard = this.logs.get(gap.event.stream)?.firstAfter(gap.event.sequence) ?? null;
      isOther ||= heard !== known;
      this.heardAgain.set(gap, heard);
    }
    return isOther;
  }

  private firstAt_us(): number {
    let first: Entry | undefined;
    for (const { entries } of this.logs.values()) {
      const [entry] = entries;
      if (entry && (first === undefined || compareEntries(entry, first) < 0)) first = entry;
    }
    return first?.event.at ?? 0;
  }

  /** Time up to which every stream that sends heartbeats has said everything; null before the first; µs. */
  get watermark_us(): number | null {
    return this.complete_us.size === 0 ? null : Math.min(...this.complete_us.values());
  }

  /** Nothing of the audit log can be missing right around the entry. */
  isAuditWholeAround(entry: Entry): boolean {
    if (!this.streams.has('audit')) return false;
    const { before_us, after_us } = this.neighbours(entry);
    const hidden = this.gaps.hiddenUntil('audit', after_us ?? Number.POSITIVE_INFINITY);
    return hidden === Number.NEGATIVE_INFINITY || (before_us !== null && hidden < before_us);
  }

  private neighbours(entry: Entry): { before_us: number | null; after_us: number | null } {
    let before_us: number | null = null;
    let after_us: number | null = null;
    for (const { entries } of this.logs.values()) {
      const index = lowerBound(entries, (each) => compareEntries(each, entry) < 0);
      const before = entries[index - 1]?.time ?? null;
      const after = entries[entries[index] === entry ? index + 1 : index]?.time ?? null;
      if (before !== null && (before_us === null || before > before_us)) before_us = before;
      if (after !== null && (after_us === null || after < after_us)) after_us = after;
    }
    return { before_us, after_us };
  }

  private readonly lastTimeUntil = (at_us: number): number => {
    let last = Number.NEGATIVE_INFINITY;
    for (const { entries } of this.logs.values()) {
      const before = entries[lowerBound(entries, ({ time }) => time <= at_us) - 1];
      if (before !== undefined && before.time > last) last = before.time;
    }
    return last;
  };

  /** What is to be left of it when some more of its events are let go. */
  remainsWithout(events: number): HostRemains {
    const { first_us, last_us } = this.report();
    return {
      events: (this.letGo?.events ?? 0) + events,
      first_us,
      last_us,
      isHypervisor: this.facts.hypervisor,
    };
  }

  report(): HostReport {
    const isStamped = this.lastStamp_us >= this.firstStamp_us;
    return {
      host: this.host,
      events: this.size + (this.letGo?.events ?? 0),
      first_us: isStamped ? this.firstStamp_us : null,
      last_us: isStamped ? this.lastStamp_us : null,
      gaps: this.gaps.list.map((gap) => ({
        stream: gap.stream,
        kind: gap.kind,
        from_us: gap.fromUs,
        to_us: gap.toUs,
        lost: gap.lost,
        text: gap.text,
      })),
    };
  }

  /** The host as a family sees it that has these entries of it. */
  recordOf(slice: Pick<HostRecord, 'events' | 'times' | 'own' | 'gapPositions'>): HostRecord {
    const { events, times, own, gapPositions } = slice;
    return {
      host: this.host,
      events,
      times,
      own,
      gapPositions,
      gaps: this.gaps,
      streams: this.streams,
      facts: this.facts,
      began_us: this.began_us,
      lastTimeUntil: this.lastTimeUntil,
    };
  }
}
