import type { ByteText } from '../../domain/byte-text.js';
import type { Event, EventBodies, EventKind } from '../../events/event.js';
import { auditEventId } from '../../events/identity.js';
import type { EventSink, Origin } from '../../events/origin.js';

/** Where in the stream a fact stands. */
export interface Stamp {
  node: ByteText | null;
  at_ms: number;
  serial: number;
}

/** `000:` to `999:` */
const THREE_DIGITS = Array.from({ length: 1000 }, (_, n) => `${String(n).padStart(3, '0')}:`);

export const NO_WITNESS: Buffer = Buffer.alloc(0);

/** Puts facts into envelopes and hands them on. */
export class Emitter {
  readonly #origin: Origin;
  readonly #sink: EventSink;
  /** ids of one second begin alike */
  #idNode: ByteText | null = null;
  #idSecond = -1;
  #idPrefix = '';

  constructor(origin: Origin, sink: EventSink) {
    this.#origin = origin;
    this.#sink = sink;
  }

  /** @param part tells facts of one audit event apart, '' for the main one */
  emit<K extends EventKind>(
    kind: K,
    body: EventBodies[K],
    stamp: Stamp,
    part: string,
    sequence: number,
    witness: Buffer,
  ): void {
    const id = part === '' ? this.#mainId(stamp) : `${this.#mainId(stamp)}/${part}`;
    this.emitAs(id, kind, body, stamp, sequence, witness);
  }

  /** For a fact that no audit event gives an id to. */
  emitAs<K extends EventKind>(
    id: string,
    kind: K,
    body: EventBodies[K],
    stamp: Stamp,
    sequence: number,
    witness: Buffer,
  ): void {
    const origin = this.#origin;
    const event = {
      cluster: origin.cluster,
      host: origin.host,
      boot: origin.boot,
      stream: 'audit',
      sequence,
      at: stamp.at_ms * 1000,
      id,
      witness,
      kind,
      body,
    };
    this.#sink.event(event as Event);
  }

  #mainId(stamp: Stamp): string {
    const second = Math.floor(stamp.at_ms / 1000);
    if (second !== this.#idSecond || stamp.node !== this.#idNode) {
      const firstOfSecond = auditEventId(this.#origin.host, stamp.node, second * 1000, 0);
      this.#idPrefix = firstOfSecond.slice(0, -'000:0'.length);
      this.#idSecond = second;
      this.#idNode = stamp.node;
    }
    if (second === 0) return auditEventId(this.#origin.host, stamp.node, stamp.at_ms, stamp.serial);
    return this.#idPrefix + (THREE_DIGITS[stamp.at_ms - second * 1000] as string) + stamp.serial;
  }
}
