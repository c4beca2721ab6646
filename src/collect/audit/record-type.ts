import { ascii, matches, SPACE } from './bytes.js';

/**
 * Record types told apart by their bytes. `OTHER` is any type that says nothing about relabels; `DAEMON_OTHER` is
 * kept apart because auditd numbers its own records (1200-1299) with a counter of its own.
 */
export const RecordType = {
  OTHER: 0,
  SYSCALL: 1,
  PATH: 2,
  CWD: 3,
  PROCTITLE: 4,
  EOE: 5,
  AVC: 6,
  URINGOP: 7,
  VIRT_CONTROL: 8,
  VIRT_RESOURCE: 9,
  VIRT_MACHINE_ID: 10,
  SERVICE_START: 11,
  SERVICE_STOP: 12,
  CONFIG_CHANGE: 13,
  DAEMON_START: 14,
  DAEMON_END: 15,
  DAEMON_ABORT: 16,
  DAEMON_OTHER: 17,
} as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** Names with the space that ends them, so that a longer name is not taken for a shorter one. */
const NAMES = Object.entries(RecordType)
  .filter(([, type]) => type !== RecordType.OTHER && type !== RecordType.DAEMON_OTHER)
  .map(([name, type]) => ({ type, bytes: ascii(`${name} `) }));

/** By first byte: at most six candidates are compared. The frequent types come first. */
const BY_FIRST_BYTE: { type: RecordType; bytes: Uint8Array }[][] = Array.from({ length: 256 }, (_, first) =>
  NAMES.filter(({ bytes }) => bytes[0] === first),
);

const DAEMON = ascii('DAEMON_');
/** auditd older than the kernel prints the number: `UNKNOWN[1334]` */
const UNKNOWN = ascii('UNKNOWN[');
const UNKNOWN_DAEMON = ascii('UNKNOWN[12');
const LONGEST_NAME = 40;

/** Where a record's type name lies, and which it is. Reused from line to line. */
export class TypeName {
  type: RecordType = RecordType.OTHER;
  /** index after the space that ends the name */
  end = 0;

  /** @returns false when there is no type name at `at` */
  read(bytes: Buffer, at: number, limit: number): boolean {
    if (at >= limit) return false;
    const candidates = BY_FIRST_BYTE[bytes[at] as number] as { type: RecordType; bytes: Uint8Array }[];
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i] as { type: RecordType; bytes: Uint8Array };
      if (!matches(bytes, at, candidate.bytes)) continue;
      this.type = candidate.type;
      this.end = at + candidate.bytes.length;
      return this.end <= limit;
    }
    return this.#readOther(bytes, at, limit);
  }

  #readOther(bytes: Buffer, at: number, limit: number): boolean {
    let end = at;
    const last = Math.min(limit, at + LONGEST_NAME);
    while (end < last && isNameByte(bytes[end] as number)) end++;
    if (end === at || bytes[end] !== SPACE || end >= limit) return false;
    this.end = end + 1;
    this.type = RecordType.OTHER;
    if (matches(bytes, at, DAEMON)) this.type = RecordType.DAEMON_OTHER;
    else if (matches(bytes, at, UNKNOWN_DAEMON) && end - at === UNKNOWN.length + 5)
      this.type = RecordType.DAEMON_OTHER;
    return true;
  }
}

/** `[A-Z0-9_[\]]`, and lower case as some user-space types have it */
function isNameByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x5f ||
    byte === 0x5b ||
    byte === 0x5d ||
    byte === 0x2d
  );
}
