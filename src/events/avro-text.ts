import avsc, { type Type } from 'avsc';
import { bytesOf, byteTextFrom } from '../domain/byte-text.js';

/** How text travels: what a log said as its bytes, words of our own as UTF-8. */

/** What avsc reads from and writes into: `pos` is the next byte of `buf`, and may run past its end. */
interface Tap {
  buf: Buffer;
  pos: number;
  readLong(): number;
  writeLong(value: number): void;
}

/** The half of avsc's types that its typings leave out. */
interface Underlying {
  _read(tap: Tap): unknown;
  _write(tap: Tap, value: unknown): void;
}

/** Up to here a loop is faster than a call into native code, and the texts of events are shorter. */
const LONGEST_LOOPED = 256;
const FIRST_NON_ASCII = 0x80;

/**
 * ASCII, which nearly every text is, has the same bytes as text of a log and as UTF-8. It is read and written without
 * a buffer in between; all other text goes through `_fromValue` and `_toValue`.
 */
abstract class AnyTextType extends avsc.types.LogicalType {
  /** A union asks every branch whether a value fits; avsc would convert the text only to see that it can be. */
  protected _check(value: unknown, _flags: unknown, hook?: (value: unknown, type: Type) => void): boolean {
    const fits = typeof value === 'string';
    if (!fits) hook?.(value, this);
    return fits;
  }

  protected _read(tap: Tap): unknown {
    return asciiAt(tap) ?? this._fromValue(this.#underlying._read(tap));
  }

  protected _write(tap: Tap, text: unknown): void {
    if (typeof text === 'string' && wroteAscii(tap, text)) return;
    this.#underlying._write(tap, this._toValue(text));
  }

  get #underlying(): Underlying {
    return this.underlyingType as unknown as Underlying;
  }
}

/** The text that comes next, if it is short and ASCII; else null, and the tap stands where it stood. */
function asciiAt(tap: Tap): string | null {
  const { buf, pos } = tap;
  const length = tap.readLong();
  const start = tap.pos;
  const end = start + length;
  if (length >= 0 && length <= LONGEST_LOOPED && end <= buf.length) {
    let at = start;
    while (at < end && (buf[at] as number) < FIRST_NON_ASCII) at++;
    if (at === end) {
      tap.pos = end;
      return buf.toString('latin1', start, end);
    }
  }
  tap.pos = pos;
  return null;
}

/** @returns false when the text is long or not ASCII; then the tap stands where it stood */
function wroteAscii(tap: Tap, text: string): boolean {
  const { length } = text;
  if (length > LONGEST_LOOPED) return false;
  const { buf, pos } = tap;
  tap.writeLong(length);
  const start = tap.pos;
  if (start + length <= buf.length) {
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= FIRST_NON_ASCII) {
        tap.pos = pos;
        return false;
      }
      buf[start + i] = unit;
    }
    tap.pos = start + length;
    return true;
  }
  tap.pos = pos;
  return false;
}

/** Logical type `byte-text` over `bytes`: the bytes of a log, whether they are UTF-8 or not. */
export class ByteTextType extends AnyTextType {
  protected override _fromValue(bytes: Buffer): string {
    return byteTextFrom(bytes);
  }

  protected override _toValue(text: unknown): Buffer | undefined {
    return typeof text === 'string' ? bytesOf(text) : undefined;
  }

  /** A field may have been plain text in an older release. */
  protected override _resolve(writer: Type): ((value: unknown) => string) | undefined {
    if (avsc.Type.isType(writer, 'logical:byte-text', 'logical:text')) return (text) => text as string;
    return avsc.Type.isType(writer, 'bytes') ? (bytes) => byteTextFrom(bytes as Buffer) : undefined;
  }
}

/**
 * Every `string` of a schema. Such a field holds text that this program made or checked; should a lone surrogate get
 * there nevertheless it becomes U+FFFD, since other readers of the topic stumble over text that is not UTF-8. The
 * witness still has the bytes.
 */
export class TextType extends AnyTextType {
  protected override _fromValue(text: string): string {
    return text;
  }

  protected override _toValue(text: unknown): string | undefined {
    return typeof text === 'string' ? toWellFormed(text) : undefined;
  }

  protected override _resolve(writer: Type): ((value: unknown) => string) | undefined {
    return avsc.Type.isType(writer, 'logical:text', 'string') ? (text) => text as string : undefined;
  }
}

const LONE_SURROGATE = /\p{Surrogate}/gu;

function toWellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(LONE_SURROGATE, '\ufffd') : text;
}
