import type { ByteText } from '../../domain/byte-text.js';
import { ascii, COLON, decimal, EQUALS, hexLow32, isDigits, matches, octal, word, wordOf } from './bytes.js';
import { FieldCursor, keyOf } from './field-cursor.js';
import type { TextCache } from './text-cache.js';
import { plainText, untrustedText } from './values.js';

/** How a field's name begins: see `word`. */
const W_NAME = wordOf('name');
const W_INODE = wordOf('inod');
const W_DEV = wordOf('dev=');
const W_MODE = wordOf('mode');
const W_OUID = wordOf('ouid');
const W_OGID = wordOf('ogid');
const W_OBJ = wordOf('obj=');

const NAMETYPE = ascii('nametype=');
const CWD = keyOf('cwd');

const NORMAL = ascii('NORMAL');
const UNKNOWN = ascii('UNKNOWN');
/** the kernel's dev_t has 12 bits for it */
const MAX_MAJOR = 0xfff;
const DEVICES_CACHED = 256;

/** A PATH record: a file as it was before the call. One object is reused; -1 is a number that is not stated. */
export class PathRecord {
  name: ByteText | null = null;
  inode: ByteText | null = null;
  /** `major:minor` in decimal */
  dev: string | null = null;
  mode = -1;
  ouid = -1;
  ogid = -1;
  context: ByteText | null = null;
  /** `NORMAL` is the file itself, `UNKNOWN` one that was not found; the rest are parents, and copies of overlayfs */
  nametype: 'NORMAL' | 'UNKNOWN' | 'other' | null = null;

  readonly #texts: TextCache;
  readonly #cursor = new FieldCursor();
  readonly #devices = new Map<number, string>();
  #lastDevice = -1;
  #lastDeviceText = '';

  constructor(texts: TextCache) {
    this.#texts = texts;
  }

  /** @returns false when the record is garbled: it has no nametype, which comes last of what we need */
  read(bytes: Buffer, start: number, end: number): boolean {
    this.clear();
    const field = this.#cursor;
    field.start(bytes, start, end);
    let at = start;
    while (at < end) {
      switch (word(bytes, at)) {
        case W_NAME:
          if (bytes[at + 4] === EQUALS) {
            if (!field.readValue(at + 5)) return false;
            this.name = untrustedText(field, bytes, this.#texts);
          } else if (matches(bytes, at, NAMETYPE)) {
            this.nametype = nametypeAt(bytes, at + NAMETYPE.length);
            return true;
          } else {
            field.readValue(at);
          }
          break;
        case W_INODE:
          field.readValue(at + 'inode='.length);
          if (isDigits(bytes, field.valueStart, field.valueEnd))
            this.inode = this.#texts.text(bytes, field.valueStart, field.valueEnd);
          break;
        case W_DEV:
          field.readValue(at + 'dev='.length);
          this.dev = this.#device(bytes, field.valueStart, field.valueEnd);
          break;
        case W_MODE:
          field.readValue(at + 'mode='.length);
          this.mode = octal(bytes, field.valueStart, field.valueEnd);
          break;
        case W_OUID:
          field.readValue(at + 'ouid='.length);
          this.ouid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case W_OGID:
          field.readValue(at + 'ogid='.length);
          this.ogid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case W_OBJ:
          field.readValue(at + 'obj='.length);
          field.extendOverWords();
          this.context = plainText(field, bytes, this.#texts);
          break;
        default:
          field.readValue(at);
      }
      at = field.end + 1;
    }
    return false;
  }

  /** `fe:00`, hex, to `254:0`. */
  #device(bytes: Buffer, start: number, end: number): string | null {
    let colon = start;
    while (colon < end && bytes[colon] !== COLON) colon++;
    const major = hexLow32(bytes, start, colon);
    const minor = hexLow32(bytes, colon + 1, end);
    if (major < 0 || minor < 0 || major > MAX_MAJOR) return null;
    const device = major * 0x100000000 + minor;
    if (device === this.#lastDevice) return this.#lastDeviceText;
    let text = this.#devices.get(device);
    if (text === undefined) {
      text = `${major}:${minor}`;
      if (this.#devices.size >= DEVICES_CACHED) this.#devices.clear();
      this.#devices.set(device, text);
    }
    this.#lastDevice = device;
    this.#lastDeviceText = text;
    return text;
  }

  clear(): void {
    this.name = null;
    this.inode = null;
    this.dev = null;
    this.mode = -1;
    this.ouid = -1;
    this.ogid = -1;
    this.context = null;
    this.nametype = null;
  }
}

function nametypeAt(bytes: Buffer, at: number): 'NORMAL' | 'UNKNOWN' | 'other' {
  if (matches(bytes, at, NORMAL)) return 'NORMAL';
  return matches(bytes, at, UNKNOWN) ? 'UNKNOWN' : 'other';
}

/** The directory of a CWD record; null when garbled or not stated. */
export function readCwd(bytes: Buffer, start: number, end: number, texts: TextCache): ByteText | null {
  const field = new FieldCursor();
  field.start(bytes, start, end);
  while (field.next()) if (field.key === CWD) return untrustedText(field, bytes, texts);
  return null;
}
