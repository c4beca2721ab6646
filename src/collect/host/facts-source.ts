import { createHash } from 'node:crypto';
import { bytesOf } from '../../domain/byte-text.js';
import { MigrationAuditError } from '../../domain/errors.js';
import type { Event, GapDetected } from '../../events/event.js';
import type { Origin } from '../../events/origin.js';
import { gapDetected } from '../collector-event.js';
import { type GuestsNow, readGuests } from '../libvirt/guests.js';
import type { Virsh } from '../libvirt/virsh.js';
import type { Clock } from '../process/clock.js';
import type { Source, SourceOutput } from '../source.js';
import { snapshotParserFor } from './files.js';
import type { Reading } from './readings.js';
import { Snapshot } from './snapshot.js';

export interface HostFactsOptions {
  cluster: string;
  host: string;
  boot: string | null;
  readings: readonly Reading[];
  /** null on a host without libvirt */
  virsh: Virsh | null;
  every_s: () => number;
  clock: Clock;
}

/** A reader that forgets what it has not heard of for this long hears of it again. */
const RESTATE_US = 24 * 3600 * 1e6;
/** The first reading waits so long for the events of libvirt to be followed: what it says is to come after their beginning. */
const FIRST_WAIT_MS = 3_000;
const BETWEEN_READINGS_MS = 1_000;
/** Of a host that takes long to be read, this many times as long is left in peace, within a limit. */
const PEACE_TIMES = 4;
const PEACE_MS_MAX = 15_000;
/**
 * libvirt tries out every QEMU there is when it is asked for its capabilities, for seconds. They change only with the
 * daemon, whose restart is a gap, after which all is read.
 */
const CAPABILITIES_EVERY_US = 3600 * 1e6;
const EVENTS_TOGETHER = 100;

/**
 * States what the host is like: at its start, each time something changed, and once a day. A quiet host is read often and says
 * next to nothing.
 */
export class HostFactsSource implements Source {
  readonly name = 'host-facts';
  readonly stream = 'host-facts';
  private readonly options: HostFactsOptions;
  /** by name of the reading */
  private readonly stated = new Map<string, Stated>();
  private isUp: boolean | null = null;
  private asked: 'nothing' | 'refresh' | 'restate' = 'restate';
  private wake = () => {};
  private hasRead = false;
  private reading_us: number | null = null;
  private capabilities_us: number | null = null;

  constructor(options: HostFactsOptions) {
    this.options = options;
  }

  async run(output: SourceOutput, _checkpoint: Buffer | null, signal: AbortSignal): Promise<void> {
    const { clock, every_s } = this.options;
    if (this.options.virsh !== null) await this.pause(FIRST_WAIT_MS, signal);
    while (!signal.aborted) {
      const began_us = clock.now_us();
      this.reading_us = began_us;
      const asked = this.asked;
      this.asked = 'nothing';
      await this.readAll(output, asked, signal);
      this.hasRead = true;
      this.reading_us = null;
      const took_ms = Math.max(0, (clock.now_us() - began_us) / 1000);
      const peace_ms = Math.min(PEACE_MS_MAX, Math.max(BETWEEN_READINGS_MS, took_ms * PEACE_TIMES));
      await clock.sleep(peace_ms, signal);
      if (this.asked === 'nothing') await this.pause(every_s() * 1000 - took_ms - peace_ms, signal);
    }
  }

  /** Guests came or went. */
  refresh(): void {
    if (this.asked === 'nothing') this.asked = 'refresh';
    this.wake();
  }

  /** Something may have gone by unseen: say everything again. */
  restate(): void {
    this.asked = 'restate';
    this.wake();
  }

  watermark_us(): number | null {
    return this.hasRead ? (this.reading_us ?? this.options.clock.now_us()) : null;
  }

  private async pause(wait_ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const awake = new AbortController();
    this.wake = () => awake.abort();
    signal.addEventListener('abort', this.wake);
    await this.options.clock.sleep(Math.max(0, wait_ms), awake.signal);
    signal.removeEventListener('abort', this.wake);
    this.wake = () => {};
  }

  private async readAll(
    output: SourceOutput,
    asked: 'nothing' | 'refresh' | 'restate',
    signal: AbortSignal,
  ): Promise<void> {
    const { readings, virsh, clock } = this.options;
    if (asked === 'restate') {
      this.stated.clear();
      this.capabilities_us = null;
    }
    const told = new Told(output);
    for (const { name, read } of readings) {
      const at_us = clock.now_us();
      const found = await read();
      await told.add(this.changed(name, found, at_us));
    }
    const failure = virsh === null ? null : await this.readLibvirt(virsh, asked !== 'nothing', told, signal);
    await told.end();
    if (signal.aborted) return;
    if (failure !== null) output.down(failure);
    else if (this.isUp !== true) output.up();
    this.isUp = failure === null;
  }

  /** @returns why libvirt does not tell; null when it does */
  private async readLibvirt(
    virsh: Virsh,
    isAsked: boolean,
    told: Told,
    signal: AbortSignal,
  ): Promise<string | null> {
    const now = await readGuests(virsh, this.options.clock, signal);
    if (typeof now === 'string') return now;
    if (isAsked) this.stated.delete(GUESTS);
    await told.add(this.changedList(now));
    const present = new Set<string>();
    for (const { uuid, xml } of now.guests) {
      const name = `domain-${uuid}.xml`;
      present.add(name);
      await told.add(this.changed(name, xml.length === 0 ? `domain ${uuid}: no XML` : xml, now.at_us));
    }
    if (now.complete) {
      for (const name of this.stated.keys())
        if (name.startsWith('domain-') && !present.has(name)) this.stated.delete(name);
    } else this.refresh();
    await told.end();
    return this.readCapabilities(virsh, told, signal);
  }

  /** @returns why libvirt does not tell; null when it does */
  private async readCapabilities(virsh: Virsh, told: Told, signal: AbortSignal): Promise<string | null> {
    const at_us = this.options.clock.now_us();
    const last_us = this.capabilities_us;
    if (last_us !== null && at_us >= last_us && at_us - last_us < CAPABILITIES_EVERY_US) return null;
    const answers = await virsh.ask(['version --daemon', 'capabilities'], signal);
    if (typeof answers === 'string') return answers;
    const [version, capabilities] = answers;
    if (!version?.length || !capabilities?.length) return 'libvirt does not tell what it is capable of';
    await told.add(this.changed('virsh-version', version, at_us));
    await told.add(this.changed('capabilities.xml', capabilities, at_us));
    this.capabilities_us = at_us;
    return null;
  }

  private changedList({ at_us, complete, guests }: GuestsNow): Event[] {
    const lines = guests.map(({ line }) => line).sort();
    const snapshot = new Snapshot(bytesOf(lines.join('\n')), this.origin(GUESTS), at_us);
    const listed = guests.map(({ uuid, name, state, reason }) => ({
      guest: { uuid, name },
      state,
      reason,
    }));
    return this.ifNew(GUESTS, at_us, [snapshot.event('GuestsListed', { complete, guests: listed })]);
  }

  /** What a reading says, if it did not say the same before. */
  private changed(name: string, found: Buffer | null | string, at_us: number): Event[] {
    if (found === null && !this.stated.has(name)) return [];
    if (typeof found === 'string') return this.ifNew(name, at_us, [this.unreadable(found, at_us)]);
    // what was there and is gone is as good as empty
    const bytes = found ?? Buffer.alloc(0);
    const before = this.stated.get(name);
    const digest = digestOf(bytes);
    if (before?.ofBytes === digest && at_us - before.at_us < RESTATE_US) return [];
    const events = this.ifNew(name, at_us, this.parsed(name, bytes, at_us));
    const stated = this.stated.get(name);
    if (stated !== undefined) stated.ofBytes = digest;
    return events;
  }

  private parsed(name: string, bytes: Buffer, at_us: number): Event[] {
    const parse = snapshotParserFor(name);
    if (parse === null) throw new MigrationAuditError('MA_BUG', name, 'nothing reads this snapshot');
    try {
      return parse(bytes, this.origin(name), at_us);
    } catch (error) {
      if (!(error instanceof MigrationAuditError)) throw error;
      return [this.unreadable(`${error.where}: ${error.message}`, at_us)];
    }
  }

  private ifNew(name: string, at_us: number, events: Event[]): Event[] {
    const before = this.stated.get(name);
    const ofBodies = digestOf(Buffer.from(JSON.stringify(events.map(statement))));
    if (before?.ofBodies === ofBodies && at_us - before.at_us < RESTATE_US) return [];
    this.stated.set(name, { ofBytes: null, ofBodies, at_us });
    return events;
  }

  private unreadable(detail: string, at_us: number): Event {
    const { cluster, host } = this.options;
    return gapDetected({ cluster, host, at_us }, { ...UNREADABLE, from: at_us, to: at_us, detail });
  }

  private origin(name: string): Origin {
    const { cluster, host, boot } = this.options;
    return { cluster, host, boot, file: name };
  }
}

const GUESTS = 'guests';

const UNREADABLE: Omit<GapDetected, 'from' | 'to' | 'detail'> = {
  kind: 'file-unreadable',
  of_stream: 'host-facts',
  lost: null,
  serial_from: null,
  serial_to: null,
};

/** What was last said about a reading. */
interface Stated {
  /** null: not known to come from the same bytes */
  ofBytes: string | null;
  ofBodies: string;
  at_us: number;
}

/** What an event says, without when it says it. */
function statement({ kind, body }: Event): unknown {
  return kind === 'GapDetected' ? [kind, { ...body, from: null, to: null }] : [kind, body];
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64');
}

/** Gives events to the collector, some at a time: those of a thousand guests are many megabytes. */
class Told {
  private readonly output: SourceOutput;
  private events: Event[] = [];

  constructor(output: SourceOutput) {
    this.output = output;
  }

  async add(events: readonly Event[]): Promise<void> {
    this.events.push(...events);
    if (this.events.length >= EVENTS_TOGETHER) await this.end();
  }

  async end(): Promise<void> {
    if (this.events.length > 0) await this.output.emit(this.events, null);
    this.events = [];
  }
}
