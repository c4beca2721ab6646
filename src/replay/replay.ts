import { basename } from 'node:path';
import type { CollectorPlace } from '../collect/collector-event.js';
import { bytesOfFile, chunksOf } from '../collect/file-bytes.js';
import { rejectedGap, unreadableGap } from '../collect/gaps.js';
import { snapshotParserFor } from '../collect/host/files.js';
import { RejectedLines } from '../collect/rejected-lines.js';
import {
  type CorrelatorOptions,
  type CorrelatorState,
  createState,
  decide,
  evolve,
} from '../correlate/correlate.js';
import { MigrationAuditError } from '../domain/errors.js';
import { getOrMake } from '../domain/group.js';
import type { Report } from '../domain/report.js';
import { isTimeUs } from '../domain/time.js';
import type { Event, Stream } from '../events/event.js';
import type { EventSink, Rejected } from '../events/origin.js';
import { coverage } from './coverage.js';
import { GapLimit } from './gap-limit.js';
import { HELD_BYTES_MAX, Relabels, withOwnWitness } from './relabels.js';
import type { HostSources, Sources, StreamSource } from './sources.js';
import { readerFor, streamOf } from './streams.js';

export interface ReplayOptions {
  cluster: string;
  correlator?: CorrelatorOptions;
  signal?: AbortSignal;
  /** bytes read from the disk since the last call */
  onProgress?: (bytes: number) => void;
  /** what one chunk gave, duplicates included; awaited before the next chunk is read */
  onEvents?: (events: Event[]) => Promise<void>;
  /** beyond this many bytes of relabels the logs are read twice instead of holding them; changes no report */
  relabelsHeld_bytes_max?: number;
}

export interface Replayed {
  report: Report;
  notes: ReplayNotes;
}

/** What a replay met that is no event. It never fails because of these, and never hides them. */
export interface ReplayNotes {
  /** files that were read to their end */
  files: number;
  foreign_lines: number;
  rejected_lines: number;
  /** the first rejected lines, some of them */
  rejected: Omit<Rejected, 'bytes'>[];
  /** files that could not be read, wholly or from some point on */
  unreadable: MigrationAuditError[];
  /** files that are nothing we read */
  ignored: string[];
  /** relabels, duplicates included, of files that are no guest's image: they are left out of the report */
  unconcerned_relabels: number;
}

const REJECTED_SHOWN_MAX = 5;

/**
 * Reads all sources and says what happened. The report is a function of the events alone: the order of hosts and
 * files, and reading a file twice, change nothing.
 *
 * @throws MigrationAuditError MA_UNREADABLE or MA_NOT_FOUND when not one file could be read
 */
export async function replay(sources: Sources, options: ReplayOptions): Promise<Replayed> {
  const run = new Run(sources, options);
  for (const host of sources.hosts) await run.readStreams(host);
  // A snapshot without a time of its own is as old as the last line of its host, so lines come first.
  for (const host of sources.hosts) await run.readSnapshots(host);
  for (const host of sources.hosts) await run.recordCoverage(host);
  await run.takeRelabels(sources.hosts);
  return run.finish();
}

/** When the snapshots of a host were taken, each null when no file tells. */
interface Moments {
  before_us: number | null;
  after_us: number | null;
}

class Run {
  private readonly options: ReplayOptions;
  private readonly state: CorrelatorState;
  private readonly relabels: Relabels;
  private readonly gaps = new GapLimit();
  private readonly spans = new Map<string, { first_us: number; last_us: number }>();
  private readonly notes: ReplayNotes;
  private readonly moments = new Map<HostSources, Promise<Moments>>();
  private readonly lastStamp_us = new Map<string, number>();
  /** `host/stream` of which a file could not be read: these do not count as covered */
  private readonly incomplete = new Set<string>();
  private pending: Event[] = [];

  constructor(sources: Sources, options: ReplayOptions) {
    this.options = options;
    this.state = createState(options.correlator);
    this.relabels = new Relabels(options.relabelsHeld_bytes_max ?? HELD_BYTES_MAX);
    this.notes = {
      files: 0,
      foreign_lines: 0,
      rejected_lines: 0,
      rejected: [],
      unreadable: [],
      ignored: sources.ignored,
      unconcerned_relabels: 0,
    };
  }

  async readStreams(host: HostSources): Promise<void> {
    const hasAuditLog = host.streams.some((stream) => stream.role === 'audit');
    for (const stream of host.streams) await this.readStream(host, stream, hasAuditLog);
  }

  private async readStream(host: HostSources, stream: StreamSource, hasAuditLog: boolean): Promise<void> {
    const { cluster } = this.options;
    // The plugin's copy of a log that we have starts and ends elsewhere: its edges are no holes in what we know.
    const isCopy = stream.role === 'audit-plugin' && hasAuditLog;
    const damage = new RejectedLines(streamOf(stream.role), (stretch) => {
      if (isCopy) return;
      const at_us = stretch.to_us ?? this.lastStampOf(host.host);
      this.take(rejectedGap({ cluster, host: host.host, at_us }, stretch));
    });
    const sink = this.sinkOf(host.host, damage, isCopy);
    const origin = { cluster, host: host.host, boot: null, file: stream.files[0] ?? '' };
    const reader = readerFor(stream, origin, sink);
    for (const file of stream.files) {
      reader.begin(file);
      try {
        for await (const chunk of chunksOf(file, this.options)) {
          reader.write(chunk);
          await this.handOn();
        }
        this.notes.files++;
      } catch (error) {
        await this.recordUnreadable(host, streamOf(stream.role), file, error);
      }
    }
    reader.end();
    damage.end(null);
    await this.handOn();
  }

  private sinkOf(host: string, damage: RejectedLines, isCopy: boolean): EventSink {
    return {
      event: (event) => {
        if (event.kind === 'GapDetected' && isCopy) return;
        damage.event(event.at);
        this.lastStamp_us.set(host, Math.max(this.lastStamp_us.get(host) ?? 0, event.at));
        this.extendSpan(host, event.at);
        this.take(event);
      },
      rejected: ({ bytes: _, ...where }) => {
        damage.rejected();
        this.notes.rejected_lines++;
        if (this.notes.rejected.length < REJECTED_SHOWN_MAX) this.notes.rejected.push(where);
      },
      foreign: (lines) => {
        this.notes.foreign_lines += lines;
      },
    };
  }

  async readSnapshots(host: HostSources): Promise<void> {
    const { before_us, after_us } = await this.momentsOf(host);
    for (const snapshot of host.snapshots) {
      const at_us = (snapshot.before ? before_us : after_us) ?? this.lastStampOf(host.host);
      const origin = { cluster: this.options.cluster, host: host.host, boot: null, file: snapshot.path };
      try {
        const bytes = await bytesOfFile(snapshot.path, this.options);
        for (const event of snapshotParserFor(snapshot.name)?.(bytes, origin, at_us) ?? []) this.take(event);
        this.notes.files++;
      } catch (error) {
        await this.recordUnreadable(host, 'host-facts', snapshot.path, error);
      }
    }
    await this.handOn();
  }

  async recordCoverage(host: HostSources): Promise<void> {
    const read = host.streams
      .map((stream) => streamOf(stream.role))
      .filter((stream) => !this.incomplete.has(`${host.host}/${stream}`));
    this.take(coverage(await this.endOf(host), read));
    await this.handOn();
  }

  /** Only now it is known which files are images. */
  async takeRelabels(hosts: readonly HostSources[]): Promise<void> {
    if (this.relabels.mustBeReadAgain) {
      for (const host of hosts)
        for (const stream of host.streams) await this.readRelabelsAgain(host.host, stream);
      return;
    }
    const { concerned, unconcerned } = this.relabels.takeHeld();
    for (const event of concerned) evolve(this.state, event);
    this.notes.unconcerned_relabels = unconcerned;
  }

  /** The stream once more, of which everything but relabels that did not matter then was taken when it was read first. */
  private async readRelabelsAgain(host: string, stream: StreamSource): Promise<void> {
    if (streamOf(stream.role) !== 'audit') return;
    const origin = { cluster: this.options.cluster, host, boot: null, file: stream.files[0] ?? '' };
    const reader = readerFor(stream, origin, {
      event: (event) => {
        if (event.kind !== 'RelabelObserved') return;
        if (this.relabels.matters(event)) evolve(this.state, withOwnWitness(event));
        else this.notes.unconcerned_relabels++;
      },
      rejected: () => {},
      foreign: () => {},
    });
    for (const file of stream.files) {
      reader.begin(file);
      try {
        for await (const chunk of chunksOf(file, { signal: this.options.signal })) reader.write(chunk);
      } catch (error) {
        // what could not be read was told, and marked as a gap, when it was read first
        if (!(error instanceof MigrationAuditError)) throw error;
      }
    }
    reader.end();
  }

  finish(): Replayed {
    const [firstFailure] = this.notes.unreadable;
    if (this.notes.files === 0 && firstFailure !== undefined) throw firstFailure;
    for (const gap of this.gaps.rests()) evolve(this.state, gap);
    const report = decide(this.state);
    const hosts = report.hosts.map((host) => ({ ...host, ...this.spans.get(host.host) }));
    return { report: { ...report, hosts }, notes: this.notes };
  }

  private take(event: Event): void {
    this.relabels.learn(event);
    if (this.options.onEvents !== undefined) this.pending.push(withOwnWitness(event));
    if (event.kind === 'RelabelObserved' && !this.relabels.matters(event)) {
      this.relabels.hold(event);
      return;
    }
    const kept = event.kind === 'GapDetected' ? this.gaps.admit(event) : event;
    if (kept !== null) evolve(this.state, withOwnWitness(kept));
  }

  /** A host's record reaches as far as its lines do, relabels that are left out included. */
  private extendSpan(host: string, at_us: number): void {
    const span = this.spans.get(host);
    if (span === undefined) this.spans.set(host, { first_us: at_us, last_us: at_us });
    else if (at_us < span.first_us) span.first_us = at_us;
    else if (at_us > span.last_us) span.last_us = at_us;
  }

  private async handOn(): Promise<void> {
    if (this.pending.length === 0) return;
    const events = this.pending;
    this.pending = [];
    await this.options.onEvents?.(events);
  }

  private momentsOf(host: HostSources): Promise<Moments> {
    return getOrMake(this.moments, host, async () => ({
      before_us: await momentIn(host.times.before),
      after_us: await momentIn(host.times.after),
    }));
  }

  /** When the host was last looked at, as far as it is known by now. */
  private async endOf(host: HostSources): Promise<CollectorPlace> {
    const { after_us } = await this.momentsOf(host);
    const at_us = after_us ?? this.lastStampOf(host.host);
    return { cluster: this.options.cluster, host: host.host, at_us };
  }

  /** Last stamp of the host; of any host when it has none (a storage server often shows snapshots only). */
  private lastStampOf(host: string): number {
    return this.lastStamp_us.get(host) ?? Math.max(0, ...this.lastStamp_us.values());
  }

  private async recordUnreadable(
    host: HostSources,
    stream: Stream,
    file: string,
    error: unknown,
  ): Promise<void> {
    if (!(error instanceof MigrationAuditError)) throw error;
    this.notes.unreadable.push(error);
    this.incomplete.add(`${host.host}/${stream}`);
    this.take(unreadableGap(await this.endOf(host), stream, `${basename(file)}: ${error.message}`));
  }
}

/** The moment that a t0 or t1 file holds (`1795396298.074566007`), in µs; null when there is none to be read. */
async function momentIn(path: string | null): Promise<number | null> {
  if (path === null) return null;
  const bytes = await bytesOfFile(path).catch(() => Buffer.alloc(0));
  const match = /^(\d{1,11})(?:\.(\d{1,9}))?\s*$/.exec(bytes.toString('latin1', 0, 64));
  if (match === null) return null;
  const at_us = Number(match[1]) * 1e6 + Number((match[2] ?? '').padEnd(6, '0').slice(0, 6));
  return isTimeUs(at_us) ? at_us : null;
}
