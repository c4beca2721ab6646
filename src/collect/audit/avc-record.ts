import type { ByteText } from '../../domain/byte-text.js';
import { ascii, decimal, isDigits, matches, SPACE } from './bytes.js';
import { FieldCursor, keyOf } from './field-cursor.js';
import type { TextCache } from './text-cache.js';
import { plainText, untrustedText } from './values.js';

const PID = keyOf('pid');
const COMM = keyOf('comm');
const PATH = keyOf('path');
const NAME = keyOf('name');
const DEV = keyOf('dev');
const INO = keyOf('ino');
const SCONTEXT = keyOf('scontext');
const TCONTEXT = keyOf('tcontext');
const TCLASS = keyOf('tclass');
const PERMISSIVE = keyOf('permissive');
const TRAWCON = keyOf('trawcon');

const AVC = ascii('avc:');
const GRANTED = ascii('granted');
const DENIED = ascii('denied');
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const ONE = 0x31;
const MAJOR_MINOR = /^\d{1,5}:\d{1,8}$/;

/** A SELinux AVC record: `avc:  granted  { relabelfrom } for  pid=… scontext=… tcontext=… tclass=file`. */
export interface AvcRecord {
  verdict: 'granted' | 'denied';
  /** as between the braces, `read open` */
  permissions: string;
  permissive: boolean;
  pid: number | null;
  comm: ByteText | null;
  path: ByteText | null;
  /** last component of the path only */
  name: ByteText | null;
  /** `major:minor` in decimal; null where the record names the device (`vda`, `tmpfs`) */
  dev: string | null;
  inode: string | null;
  scontext: ByteText;
  /** the label that was asked for or met; the raw one where policy does not know it (`trawcon`) */
  tcontext: ByteText;
  tclass: string;
}

/** @returns null for anything but a whole SELinux AVC (AppArmor uses the same type with other fields) */
export function readAvc(bytes: Buffer, start: number, end: number, texts: TextCache): AvcRecord | null {
  if (!matches(bytes, start, AVC)) return null;
  let at = start + AVC.length;
  while (bytes[at] === SPACE) at++;
  const granted = matches(bytes, at, GRANTED);
  if (!granted && !matches(bytes, at, DENIED)) return null;
  at += granted ? GRANTED.length : DENIED.length;
  while (bytes[at] === SPACE) at++;
  if (bytes[at] !== OPEN_BRACE) return null;
  const open = at;
  while (at < end && bytes[at] !== CLOSE_BRACE) at++;
  if (at === end || at < open + 3) return null;
  const record: AvcRecord = {
    verdict: granted ? 'granted' : 'denied',
    permissions: texts.text(bytes, open + 2, at - 1),
    permissive: false,
    pid: null,
    comm: null,
    path: null,
    name: null,
    dev: null,
    inode: null,
    scontext: '',
    tcontext: '',
    tclass: '',
  };
  readFields(record, bytes, at + 1, end, texts);
  return record.scontext === '' || record.tcontext === '' || record.tclass === '' ? null : record;
}

function readFields(record: AvcRecord, bytes: Buffer, start: number, end: number, texts: TextCache): void {
  const field = new FieldCursor();
  field.start(bytes, start, end);
  while (field.next()) {
    const { valueStart, valueEnd } = field;
    switch (field.key) {
      case PID: {
        const pid = decimal(bytes, valueStart, valueEnd);
        record.pid = pid < 0 ? null : pid;
        break;
      }
      case COMM:
        record.comm = untrustedText(field, bytes, texts);
        break;
      case PATH:
        record.path = untrustedText(field, bytes, texts);
        break;
      case NAME:
        record.name = untrustedText(field, bytes, texts);
        break;
      case DEV: {
        const dev = texts.text(bytes, valueStart, valueEnd);
        record.dev = MAJOR_MINOR.test(dev) ? dev : null;
        break;
      }
      case INO:
        if (isDigits(bytes, valueStart, valueEnd)) record.inode = texts.text(bytes, valueStart, valueEnd);
        break;
      case SCONTEXT:
        record.scontext = texts.text(bytes, valueStart, valueEnd);
        break;
      case TCONTEXT:
        record.tcontext = texts.text(bytes, valueStart, valueEnd);
        break;
      case TCLASS:
        record.tclass = texts.text(bytes, valueStart, valueEnd);
        break;
      case PERMISSIVE:
        record.permissive = bytes[valueStart] === ONE;
        break;
      case TRAWCON:
        record.tcontext = plainText(field, bytes, texts) ?? record.tcontext;
        break;
      default:
    }
  }
}

const FILE_CLASSES: ReadonlySet<string> = new Set([
  'file',
  'blk_file',
  'chr_file',
  'lnk_file',
  'dir',
  'sock_file',
  'fifo_file',
]);

/** The permissions also guard file systems (mount options) and tap devices, which carry no image's label. */
export function isRelabelCheck(avc: AvcRecord): boolean {
  return (
    (avc.permissions === 'relabelfrom' || avc.permissions === 'relabelto') && FILE_CLASSES.has(avc.tclass)
  );
}
