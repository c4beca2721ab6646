import { basename } from 'node:path';
import { type ByteText, printable } from '../../domain/byte-text.js';
import { MigrationAuditError } from '../../domain/errors.js';
import { encodeEvent } from '../../events/codec.js';
import type { Event, EventBodies, EventKind, HostFactsRead } from '../../events/event.js';
import { NOTHING_READ } from '../../events/host-facts.js';
import { contentEventId } from '../../events/identity.js';
import type { Origin } from '../../events/origin.js';
import { NEWLINE } from '../line-bytes.js';

/**
 * Turns a file, or the whole output of a command, into the facts it held at one moment.
 *
 * @param atUs when it was taken, µs since the epoch on the host's clock
 * @throws MigrationAuditError MA_UNREADABLE when nothing of it can be read
 */
export type SnapshotParser = (bytes: Buffer, origin: Origin, atUs: number) => Event[];

/** What a parser of host facts could read, and the lines it could not. */
export interface ReadFacts {
  facts: Partial<Omit<HostFactsRead, 'origin'>>;
  unread: ByteText[];
}

/** Larger than any of these files can sensibly be; a mountinfo of 50 000 mounts has 8 MB. */
const MAX_SNAPSHOT_BYTES = 8 * 1024 * 1024;
/** Above this a witness would outweigh the facts; the event then names its file only. */
const MAX_WITNESS_BYTES = 64 * 1024;
const SHOWN_UNREAD_LINES = 3;

/** One snapshot on its way to events: envelope, identity and gaps are the same for all of them. */
export class Snapshot {
  readonly bytes: Buffer;
  readonly origin: Origin;
  readonly atUs: number;

  constructor(bytes: Buffer, origin: Origin, atUs: number) {
    if (bytes.length > MAX_SNAPSHOT_BYTES) {
      throw new MigrationAuditError('MA_UNREADABLE', origin.file, `larger than ${MAX_SNAPSHOT_BYTES} bytes`);
    }
    this.bytes = bytes;
    this.origin = origin;
    this.atUs = atUs;
  }

  /** @param part tells the events of one snapshot apart; `''` for the first */
  event<K extends EventKind>(kind: K, body: EventBodies[K], part = ''): Event {
    const { cluster, host, boot } = this.origin;
    // Two files can have the same bytes (auditctl-s before and after a quiet day) and are two facts all the same.
    const content = Buffer.concat([Buffer.from(`${this.fileName}\0${part}\0`), this.bytes]);
    const event = {
      cluster,
      host,
      boot,
      stream: 'host-facts',
      sequence: 0,
      at: this.atUs,
      id: contentEventId(host, boot, 'host-facts', this.atUs, content, 0),
      witness: this.witness(),
      kind,
      body,
    };
    return this.fitting(event as Event);
  }

  /** A file can be small and what it says large, where every part of it repeats another. */
  private fitting(event: Event): Event {
    try {
      encodeEvent(event);
      return event;
    } catch (cause) {
      const detail = `it holds more than an event can: ${(cause as Error).message}`;
      throw new MigrationAuditError('MA_UNREADABLE', this.origin.file, detail, { cause });
    }
  }

  /** `HostFactsRead` of what was read, if anything was, and a gap for what was not. */
  factEvents({ facts, unread }: ReadFacts): Event[] {
    const events: Event[] = [];
    if (Object.values(facts).some((part) => part !== null)) {
      events.push(this.event('HostFactsRead', { ...NOTHING_READ, ...facts, origin: this.fileName }));
    }
    if (unread.length > 0) events.push(this.unreadGap(unread));
    return events;
  }

  unreadGap(unread: readonly ByteText[]): Event {
    const shown = unread.slice(0, SHOWN_UNREAD_LINES).map((line) => printable(line, 120));
    const body: EventBodies['GapDetected'] = {
      kind: 'rejected-lines',
      of_stream: 'host-facts',
      from: this.atUs,
      to: this.atUs,
      lost: unread.length,
      serial_from: null,
      serial_to: null,
      detail: `${unread.length} lines of ${this.fileName} cannot be read: ${shown.join(' | ')}`,
    };
    return this.event('GapDetected', body, 'unread');
  }

  get fileName(): string {
    return basename(this.origin.file);
  }

  private witness(): Buffer {
    if (this.bytes.length > MAX_WITNESS_BYTES) return Buffer.alloc(0);
    return this.bytes.at(-1) === NEWLINE ? this.bytes.subarray(0, -1) : this.bytes;
  }
}
