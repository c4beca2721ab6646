import avsc, { type Type } from 'avsc';
import { bytesOf, byteTextFrom } from '../domain/byte-text.js';

/** How text travels: what a log said as its bytes, words of our own as UTF-8. */

abstract class AnyTextType extends avsc.types.LogicalType {
  /** A union asks every branch whether a value fits; avsc would convert the text only to see that it can be. */
  protected _check(value: unknown, _flags: unknown, hook?: (value: unknown, type: Type) => void): boolean {
    const fits = typeof value === 'string';
    if (!fits) hook?.(value, this);
    return fits;
  }
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
