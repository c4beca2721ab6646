import type { ByteText } from '../../domain/byte-text.js';
import { joinedLines } from '../line-bytes.js';
import type { RecordType } from './record-type.js';

const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * The records of one audit event, as slices of the chunks they came in. Reused from event to event: whoever is
 * handed one takes what it needs before it returns.
 */
export class AssembledEvent {
  node: ByteText | null = null;
  at_ms = 0;
  serial = 0;
  /** where its first line stands in the file at hand; negative when it stands in one before */
  offset = 0;
  /** records so far, in the order of the stream; valid indexes of `types`, `bytes`, `bodies` and `ends` */
  count = 0;
  readonly types: RecordType[] = [];
  readonly bytes: Buffer[] = [];
  readonly bodies: number[] = [];
  readonly ends: number[] = [];
  readonly #starts: number[] = [];
  /** bit `1 << type` for each type there is */
  #typesSeen = 0;
  /** the lines so far lie one after the other in one buffer */
  #contiguous = true;

  begin(node: ByteText | null, at_ms: number, serial: number, offset: number): void {
    this.node = node;
    this.at_ms = at_ms;
    this.serial = serial;
    this.offset = offset;
    this.count = 0;
    this.#typesSeen = 0;
    this.#contiguous = true;
  }

  add(type: RecordType, bytes: Buffer, start: number, body: number, end: number): void {
    const index = this.count++;
    if (index > 0 && (bytes !== this.bytes[index - 1] || start !== (this.ends[index - 1] as number) + 1))
      this.#contiguous = false;
    this.#typesSeen |= 1 << type;
    this.types[index] = type;
    this.bytes[index] = bytes;
    this.#starts[index] = start;
    this.bodies[index] = body;
    this.ends[index] = end;
  }

  /** Index of the first record of a type from `from` on, -1 when there is none. */
  find(type: RecordType, from = 0): number {
    for (let i = from; i < this.count; i++) if (this.types[i] === type) return i;
    return -1;
  }

  has(type: RecordType): boolean {
    return (this.#typesSeen & (1 << type)) !== 0;
  }

  hasOnly(type: RecordType): boolean {
    return this.#typesSeen === 1 << type;
  }

  /** All lines in stream order, joined by \n: a view where they lie together, else a copy. */
  witness(): Buffer {
    if (this.#contiguous)
      return (this.bytes[0] as Buffer).subarray(this.#starts[0], this.ends[this.count - 1] as number);
    const lines: Buffer[] = [];
    for (let i = 0; i < this.count; i++)
      lines.push((this.bytes[i] as Buffer).subarray(this.#starts[i], this.ends[i]));
    return joinedLines(lines);
  }

  /** Bytes of all lines, each with its newline. */
  size(): number {
    let size = 0;
    for (let i = 0; i < this.count; i++) size += (this.ends[i] as number) - (this.#starts[i] as number) + 1;
    return size;
  }

  /** Lets go of the chunks. */
  clear(): void {
    for (let i = 0; i < this.count; i++) this.bytes[i] = NO_BYTES;
    this.count = 0;
  }
}
