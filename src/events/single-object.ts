import type { Type } from 'avsc';
import { MigrationAuditError } from '../domain/errors.js';
import { BrokenAvro } from './avro-check.js';
import type { ReleasedSchema } from './released-schemas.js';

/**
 * Records to bytes and back: Avro single-object encoding.
 *
 *     c3 01 | 8 bytes, little-endian: CRC-64-AVRO of the writer's schema | the record, Avro binary
 */

const MARKER = Buffer.from([0xc3, 0x01]);
export const HEADER_BYTES = 10;
/** How a record begins in the form of schema registries, before four bytes with an id. */
export const REGISTRY_MARKER = 0;
const NAMESPACE = 'migration_audit.';

export interface SingleObjectOptions {
  /** of one kind of record, oldest first; the last one is written */
  releases: readonly ReleasedSchema[];
  bytes_max: number;
  /** the code of bytes that are none, and of values that cannot be written */
  code: 'MA_BAD_EVENT' | 'MA_BAD_RECORD';
}

interface Writer {
  schema: ReleasedSchema;
  /** how its records begin */
  header: Buffer;
  /** null for the current release, which needs none */
  resolver: ReturnType<Type['createResolver']> | null;
}

export class SingleObjectCodec<Wire> {
  readonly #current: ReleasedSchema;
  readonly #currentHeader: Buffer;
  /** newest first: most records are of this version */
  readonly #writers: readonly Writer[];
  readonly #bytes_max: number;
  readonly #code: SingleObjectOptions['code'];
  #scratch = Buffer.allocUnsafeSlow(64 * 1024);

  constructor({ releases, bytes_max, code }: SingleObjectOptions) {
    const current = releases.at(-1) as ReleasedSchema;
    this.#current = current;
    this.#currentHeader = headerOf(current);
    this.#bytes_max = bytes_max;
    this.#code = code;
    this.#writers = releases
      .map((schema) => ({
        schema,
        header: headerOf(schema),
        resolver: schema === current ? null : current.type.createResolver(schema.type),
      }))
      .reverse();
  }

  /**
   * @param where names the record in errors
   * @returns memory of its own, which the caller may keep
   * @throws MigrationAuditError with the code of this kind when a field is not of its type, or the record is too large
   */
  encode(wire: Wire, where: () => string): Buffer {
    const end = this.#encodeIntoScratch(wire, where);
    const bytes = Buffer.allocUnsafe(end);
    this.#scratch.copy(bytes, HEADER_BYTES, HEADER_BYTES, end);
    this.#currentHeader.copy(bytes);
    this.#assertReadable(bytes, where);
    return bytes;
  }

  /**
   * @param bytes exactly one record, of any release
   * @throws MigrationAuditError with the code of this kind and the offset of what is wrong, or MA_UNKNOWN_SCHEMA with
   *   the fingerprint
   */
  decode(bytes: Buffer): { wire: Wire; schema: ReleasedSchema } {
    if (bytes.length > this.#bytes_max) throw this.#badBytes(this.#bytes_max, 'too long');
    if (bytes[0] === REGISTRY_MARKER) throw unknownId(bytes);
    if (bytes.length < HEADER_BYTES) throw this.#badBytes(bytes.length, 'cut short');
    if (!beginsWith(bytes, MARKER)) throw this.#badBytes(0, 'no Avro single-object marker');
    const from = this.#writers.find(({ header }) => beginsWith(bytes, header));
    if (from === undefined) throw unknownSchema(bytes);
    try {
      from.schema.check(bytes, HEADER_BYTES);
      const { value } = this.#current.type.decode(bytes, HEADER_BYTES, from.resolver ?? undefined);
      return { wire: value as Wire, schema: from.schema };
    } catch (cause) {
      if (cause instanceof BrokenAvro) throw this.#badBytes(cause.offset, cause.message);
      throw this.#badBytes(HEADER_BYTES, 'not readable', cause);
    }
  }

  #encodeIntoScratch(wire: Wire, where: () => string): number {
    for (;;) {
      let end: number;
      try {
        end = this.#current.type.encode(wire, this.#scratch, HEADER_BYTES);
      } catch (cause) {
        throw this.#badValue(where, `${this.#invalidField(wire)} is not of its type`, cause);
      }
      const needed = end >= 0 ? end : this.#scratch.length - end; // avsc tells how many bytes were missing
      if (needed > this.#bytes_max)
        throw this.#badValue(where, `its ${needed} bytes are more than ${this.#bytes_max}`);
      if (end >= 0) return end;
      this.#scratch = Buffer.allocUnsafeSlow(Math.min(this.#bytes_max, needed * 2));
    }
  }

  /** Nothing is written that a reader would refuse. */
  #assertReadable(bytes: Buffer, where: () => string): void {
    try {
      this.#current.check(bytes, HEADER_BYTES);
    } catch (cause) {
      throw this.#badValue(where, cause instanceof BrokenAvro ? cause.message : 'not readable', cause);
    }
  }

  /** The first field that a value does not fit, as a path; found only after encoding failed. */
  #invalidField(wire: Wire): string {
    let field: string | undefined;
    this.#current.type.isValid(wire, {
      errorHook(path) {
        field ??= path.join('.').replace(NAMESPACE, '');
      },
    });
    return field ?? 'a field';
  }

  #badBytes(offset: number, what: string, cause?: unknown): MigrationAuditError {
    return new MigrationAuditError(this.#code, `offset ${offset}`, `${what} at offset ${offset}`, { cause });
  }

  #badValue(where: () => string, what: string, cause?: unknown): MigrationAuditError {
    return new MigrationAuditError(this.#code, where(), what, { cause });
  }
}

export function beginsWith(bytes: Buffer, beginning: Buffer): boolean {
  for (let i = 0; i < beginning.length; i++) if (bytes[i] !== beginning[i]) return false;
  return true;
}

/** How the records of a schema begin. */
export function headerOf({ fingerprint }: Pick<ReleasedSchema, 'fingerprint'>): Buffer {
  return Buffer.concat([MARKER, Buffer.from(fingerprint, 'hex').reverse()]);
}

function unknownSchema(bytes: Buffer): MigrationAuditError {
  const fingerprint = Buffer.from(bytes.subarray(MARKER.length, HEADER_BYTES)).reverse().toString('hex');
  return new MigrationAuditError('MA_UNKNOWN_SCHEMA', `schema ${fingerprint}`, `fingerprint ${fingerprint}`);
}

/** Whoever reads from a topic has put the fingerprint in its place, unless nobody knew it. */
function unknownId(bytes: Buffer): MigrationAuditError {
  const id = bytes.length < 5 ? '(cut short)' : String(bytes.readInt32BE(1));
  return new MigrationAuditError(
    'MA_UNKNOWN_SCHEMA',
    `schema registry id ${id}`,
    `id ${id} of a schema registry, which knows no schema of ours by it, or is not configured`,
  );
}
