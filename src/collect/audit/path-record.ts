import type { ByteText } from '../../domain/byte-text.js';
import { ascii, COLON, decimal, hexLow32, isDigits, matches, octal } from './bytes.js';
import { FieldCursor, keyOf } from './field-cursor.js';
import type { TextCache } from './text-cache.js';
import { plainText, untrustedText } from './values.js';

const NAME = keyOf('name');
const INODE = keyOf('inode');
const DEV = keyOf('dev');
const MODE = keyOf('mode');
const OUID = keyOf('ouid');
const OGID = keyOf('ogid');
const OBJ = keyOf('obj');
const NAMETYPE = keyOf('nametype');
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
    while (field.next()) {
      switch (field.key) {
        case NAME:
          this.name = untrustedText(field, bytes, this.#texts);
          break;
        case INODE:
          if (isDigits(bytes, field.valueStart, field.valueEnd))
            this.inode = this.#texts.text(bytes, field.valueStart, field.valueEnd);
          break;
        case DEV:
          this.dev = this.#device(bytes, field.valueStart, field.valueEnd);
          break;
        case MODE:
          this.mode = octal(bytes, field.valueStart, field.valueEnd);
          break;
        case OUID:
          this.ouid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case OGID:
          this.ogid = decimal(bytes, field.valueStart, field.valueEnd);
          break;
        case OBJ:
          field.extendOverWords();
          this.context = plainText(field, bytes, this.#texts);
          break;
        case NAMETYPE:
          if (matches(bytes, field.valueStart, NORMAL)) this.nametype = 'NORMAL';
          else if (matches(bytes, field.valueStart, UNKNOWN)) this.nametype = 'UNKNOWN';
          else this.nametype = 'other';
          return true;
        default:
      }
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

/** The directory of a CWD record; null when garbled or not stated. */
export function readCwd(bytes: Buffer, start: number, end: number, texts: TextCache): ByteText | null {
  const field = new FieldCursor();
  field.start(bytes, start, end);
  while (field.next()) if (field.key === CWD) return untrustedText(field, bytes, texts);
  return null;
}
