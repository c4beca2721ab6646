/**
 * Text out of a log, exactly as many bytes as the log had.
 *
 * File names, comm and guest names are bytes chosen by somebody else; they need not be UTF-8. A `ByteText` is a
 * JavaScript string in which every byte that is not part of valid UTF-8 stands as the lone surrogate
 * U+DC80..U+DCFF (the "surrogateescape" form), so that it compares, hashes and round-trips like a string and
 * still gives the original bytes back.
 */
export type ByteText = string;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const ESCAPED_BYTE = /[\uDC80-\uDCFF]/;
const LONE_SURROGATE_BASE = 0xdc00;

/** Bytes to text; never fails, never loses a byte. */
export function byteTextFrom(bytes: Uint8Array): ByteText {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return decodeWithEscapes(bytes);
  }
}

/** The original bytes of a text that `byteTextFrom` made. */
export function bytesOf(text: ByteText): Buffer {
  if (!ESCAPED_BYTE.test(text)) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  let plainFrom = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      i++; // a pair: its low half is no escape
      continue;
    }
    if (unit < 0xdc80 || unit > 0xdcff) continue;
    if (i > plainFrom) parts.push(Buffer.from(text.slice(plainFrom, i), 'utf8'));
    parts.push(Buffer.from([unit - LONE_SURROGATE_BASE]));
    plainFrom = i + 1;
  }
  if (plainFrom < text.length) parts.push(Buffer.from(text.slice(plainFrom), 'utf8'));
  return Buffer.concat(parts);
}

function decodeWithEscapes(bytes: Uint8Array): ByteText {
  let text = '';
  let i = 0;
  while (i < bytes.length) {
    const length = sequenceLength(bytes, i);
    if (length === 0) {
      text += String.fromCharCode(LONE_SURROGATE_BASE + (bytes[i] as number));
      i++;
    } else {
      text += strictUtf8.decode(bytes.subarray(i, i + length));
      i += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `i`, 0 when there is none (RFC 3629, table 3-7 of Unicode). */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i] as number;
  if (first < 0x80) return 1;
  const second = bytes[i + 1] ?? 0;
  if (first >= 0xc2 && first <= 0xdf) return isContinuation(second) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const low = first === 0xe0 ? 0xa0 : 0x80;
    const high = first === 0xed ? 0x9f : 0xbf;
    return second >= low && second <= high && isContinuation(bytes[i + 2] ?? 0) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const low = first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xf4 ? 0x8f : 0xbf;
    const inRange = second >= low && second <= high;
    return inRange && isContinuation(bytes[i + 2] ?? 0) && isContinuation(bytes[i + 3] ?? 0) ? 4 : 0;
  }
  return 0;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** What must never reach a terminal, a page or a pager as itself: controls, direction marks, separators, lone surrogates. */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]|[\ud800-\udbff][\udc00-\udfff]/g;

/**
 * Text that shows the same everywhere and does nothing: hostile characters become `\xNN` or `\u{N}`, long text is
 * cut in the middle so that both its ends stay visible. Characters outside the basic plane are kept unless they
 * are tags (U+E0000..U+E0FFF), which are invisible.
 *
 * @param limit characters to show at most; the full text always stands in the JSON output
 */
export function printable(text: ByteText, limit = 400): string {
  const escaped = text.replace(UNPRINTABLE, (match) => {
    const point = match.codePointAt(0) as number;
    if (match.length === 2)
      return point >= 0xe0000 && point <= 0xe0fff ? `\\u{${point.toString(16)}}` : match;
    if (point >= 0xdc80 && point <= 0xdcff) return `\\x${(point - LONE_SURROGATE_BASE).toString(16)}`;
    if (point <= 0xff) return `\\x${point.toString(16).padStart(2, '0')}`;
    return `\\u{${point.toString(16)}}`;
  });
  if (escaped.length <= limit) return escaped;
  const half = Math.floor((limit - 1) / 2);
  return `${escaped.slice(0, half)}…${escaped.slice(-half)}`;
}
