import { isUtf8 } from 'node:buffer';
import avsc, { type Type } from 'avsc';

/**
 * Proves that bytes are a value of a schema before anything is made of them.
 *
 * A decoder that trusts its input can be told to make an array of 2^40 items by six bytes. So every length, count and
 * index is held against the bytes that are left first; nothing is allocated, and the walk is linear: each item of an
 * array takes at least one byte, since no schema of ours has an empty one.
 */
export type AvroCheck = (bytes: Buffer, from: number) => void;

/** What is wrong, and at which byte. */
export class BrokenAvro extends Error {
  readonly offset: number;

  constructor(what: string, offset: number) {
    super(what);
    this.offset = offset;
  }
}

/** @throws BrokenAvro from the check when the bytes from `from` on are not exactly one value of the type */
export function checkOf(type: Type): AvroCheck {
  const step = stepOf(type);
  return (bytes, from) => {
    const cursor = { bytes, at: from };
    step(cursor);
    if (cursor.at !== bytes.length) throw new BrokenAvro('bytes follow the end', cursor.at);
  };
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

type Step = (cursor: Cursor) => void;

function stepOf(type: Type): Step {
  if (type instanceof avsc.types.LogicalType) return stepOf(type.underlyingType);
  if (type instanceof avsc.types.RecordType)
    return recordStep(type.fields.map((field) => stepOf(field.type)));
  if (type instanceof avsc.types.UnwrappedUnionType || type instanceof avsc.types.WrappedUnionType) {
    return unionStep(type.types.map(stepOf));
  }
  if (type instanceof avsc.types.ArrayType) return arrayStep(stepOf(type.itemsType));
  const step = PRIMITIVES[type.typeName];
  if (step === undefined) throw new Error(`no check for the Avro type ${type.typeName}`);
  return step;
}

const PRIMITIVES: Record<string, Step> = {
  null: () => {},
  boolean(cursor) {
    const byte = cursor.bytes[cursor.at];
    if (byte === undefined) throw new BrokenAvro('cut short', cursor.at);
    if (byte > 1) throw new BrokenAvro('a boolean is neither 0 nor 1', cursor.at);
    cursor.at++;
  },
  long(cursor) {
    const at = cursor.at;
    if (Math.abs(readLong(cursor)) >= LONG_LIMIT) throw new BrokenAvro('a number is out of range', at);
  },
  bytes(cursor) {
    readLength(cursor);
  },
  string(cursor) {
    const length = readLength(cursor);
    const from = cursor.at - length;
    if (!isUtf8Between(cursor.bytes, from, cursor.at)) throw new BrokenAvro('a text is not UTF-8', from);
  },
};

function recordStep(fields: Step[]): Step {
  return (cursor) => {
    for (const field of fields) field(cursor);
  };
}

function unionStep(branches: Step[]): Step {
  return (cursor) => {
    const at = cursor.at;
    const branch = branches[readLong(cursor)];
    if (branch === undefined) throw new BrokenAvro('no such branch of a union', at);
    branch(cursor);
  };
}

function arrayStep(item: Step): Step {
  return (cursor) => {
    for (;;) {
      const at = cursor.at;
      let count = readLong(cursor);
      if (count === 0) return;
      if (count < 0) {
        // a block that also tells its size, so that it can be skipped
        count = -count;
        readLength({ bytes: cursor.bytes, at: cursor.at });
        readLong(cursor);
      }
      if (count > cursor.bytes.length - cursor.at)
        throw new BrokenAvro('an array is longer than the bytes', at);
      for (; count > 0; count--) item(cursor);
    }
  };
}

/** Reads a length and skips that many bytes. */
function readLength(cursor: Cursor): number {
  const at = cursor.at;
  const length = readLong(cursor);
  if (length < 0 || length > cursor.bytes.length - cursor.at) {
    throw new BrokenAvro('a length exceeds the bytes', at);
  }
  cursor.at += length;
  return length;
}

/** A 64-bit number takes ten bytes of seven bits at most. */
const MAX_LONG_BYTES = 10;

/** Zigzag doubles a number, and doubles are exact up to 2^53: avsc garbles odd numbers from here on. */
const LONG_LIMIT = 2 ** 52;

/** Variable-length zigzag number; beyond the limit only its magnitude is right, and every caller refuses those. */
function readLong(cursor: Cursor): number {
  const { bytes } = cursor;
  const start = cursor.at;
  let value = 0;
  let scale = 1;
  for (let i = 0; i < MAX_LONG_BYTES; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) throw new BrokenAvro('cut short', bytes.length);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      cursor.at = start + i + 1;
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    scale *= 128;
  }
  throw new BrokenAvro('a number does not end', start);
}

function isUtf8Between(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if ((bytes[i] as number) >= 0x80) return isUtf8(bytes.subarray(from, to));
  }
  return true;
}
