import { ascii, decimal, MINUS, matches, SPACE, word, wordOf, ZERO } from './bytes.js';

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
  SYSTEM_BOOT: 13,
  CONFIG_CHANGE: 14,
  DAEMON_START: 15,
  DAEMON_END: 16,
  DAEMON_ABORT: 17,
  DAEMON_OTHER: 18,
} as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

interface Name {
  type: RecordType;
  /** with the space that ends it, so that a longer name is not taken for a shorter one */
  bytes: Uint8Array;
}

function nameOf(name: keyof typeof RecordType): Name {
  return { type: RecordType[name], bytes: ascii(`${name} `) };
}

/** The letters of each, four by four, see `word`. */
const W_PATH = wordOf('PATH');
const W_CWD = wordOf('CWD ');
const W_PROC = wordOf('PROC');
const W_TITL = wordOf('TITL');
const W_SYSC = wordOf('SYSC');
const W_ALL = wordOf('ALL ');
const W_AVC = wordOf('AVC ');
const W_EOE = wordOf('EOE ');
const W_URIN = wordOf('URIN');
const W_CONF = wordOf('CONF');
const W_VIRT = wordOf('VIRT');
const W_SERV = wordOf('SERV');
const W_DAEM = wordOf('DAEM');
const W_SYST = wordOf('SYST');
const LETTER_E = 0x45;

const URINGOP = nameOf('URINGOP');
const CONFIG_CHANGE = nameOf('CONFIG_CHANGE');
const SYSTEM_BOOT = nameOf('SYSTEM_BOOT');
const VIRT = [nameOf('VIRT_CONTROL'), nameOf('VIRT_RESOURCE'), nameOf('VIRT_MACHINE_ID')];
const SERVICE = [nameOf('SERVICE_START'), nameOf('SERVICE_STOP')];
const DAEMON_OF_NOTE = [nameOf('DAEMON_START'), nameOf('DAEMON_END'), nameOf('DAEMON_ABORT')];

const DAEMON = ascii('DAEMON_');
/** auditd older than the kernel prints the number, `UNKNOWN[1336]`; the kernel itself prints nothing else, `1336` */
const UNKNOWN = ascii('UNKNOWN[');
const NUMBER_LENGTH = 4;
const OF_NUMBER: ReadonlyMap<number, RecordType> = new Map([
  [1127, RecordType.SYSTEM_BOOT],
  [1130, RecordType.SERVICE_START],
  [1131, RecordType.SERVICE_STOP],
  [1200, RecordType.DAEMON_START],
  [1201, RecordType.DAEMON_END],
  [1202, RecordType.DAEMON_ABORT],
  [1300, RecordType.SYSCALL],
  [1302, RecordType.PATH],
  [1305, RecordType.CONFIG_CHANGE],
  [1307, RecordType.CWD],
  [1320, RecordType.EOE],
  [1327, RecordType.PROCTITLE],
  [1336, RecordType.URINGOP],
  [1400, RecordType.AVC],
  [2500, RecordType.VIRT_CONTROL],
  [2501, RecordType.VIRT_RESOURCE],
  [2502, RecordType.VIRT_MACHINE_ID],
]);
/** auditd numbers its own records (1200-1299) by a counter of its own */
const isDaemonNumber = (number: number) => number >= 1200 && number <= 1299;
const LONGEST_NAME = 40;

/** Where a record's type name lies, and which it is. Reused from line to line. */
export class TypeName {
  type: RecordType = RecordType.OTHER;
  /** index after the space that ends the name */
  end = 0;

  /** @returns false when there is no type name at `at` */
  read(bytes: Buffer, at: number, limit: number): boolean {
    switch (word(bytes, at)) {
      case W_PATH:
        if (bytes[at + 4] === SPACE) return this.#found(RecordType.PATH, at + 5, limit);
        break;
      case W_CWD:
        return this.#found(RecordType.CWD, at + 4, limit);
      case W_PROC:
        if (word(bytes, at + 4) === W_TITL && bytes[at + 8] === LETTER_E && bytes[at + 9] === SPACE)
          return this.#found(RecordType.PROCTITLE, at + 10, limit);
        break;
      case W_SYSC:
        if (word(bytes, at + 4) === W_ALL) return this.#found(RecordType.SYSCALL, at + 8, limit);
        break;
      case W_AVC:
        return this.#found(RecordType.AVC, at + 4, limit);
      case W_EOE:
        return this.#found(RecordType.EOE, at + 4, limit);
      case W_URIN:
        return this.#is(URINGOP, bytes, at, limit);
      case W_CONF:
        return this.#is(CONFIG_CHANGE, bytes, at, limit);
      case W_SYST:
        return this.#is(SYSTEM_BOOT, bytes, at, limit);
      case W_VIRT:
        return this.#isOneOf(VIRT, bytes, at, limit);
      case W_SERV:
        return this.#isOneOf(SERVICE, bytes, at, limit);
      case W_DAEM:
        return this.#isOneOf(DAEMON_OF_NOTE, bytes, at, limit);
      default:
    }
    return this.#readOther(bytes, at, limit);
  }

  #found(type: RecordType, end: number, limit: number): boolean {
    this.type = type;
    this.end = end;
    return end <= limit;
  }

  #is(name: Name, bytes: Buffer, at: number, limit: number): boolean {
    if (!matches(bytes, at, name.bytes)) return this.#readOther(bytes, at, limit);
    return this.#found(name.type, at + name.bytes.length, limit);
  }

  #isOneOf(names: readonly Name[], bytes: Buffer, at: number, limit: number): boolean {
    for (const name of names) if (matches(bytes, at, name.bytes)) return this.#is(name, bytes, at, limit);
    return this.#readOther(bytes, at, limit);
  }

  #readNumber(bytes: Buffer, at: number, end: number): void {
    const from = matches(bytes, at, UNKNOWN) ? at + UNKNOWN.length : at;
    const to = from === at ? end : end - 1;
    if (to - from !== NUMBER_LENGTH) return;
    const number = decimal(bytes, from, to);
    this.type =
      OF_NUMBER.get(number) ?? (isDaemonNumber(number) ? RecordType.DAEMON_OTHER : RecordType.OTHER);
  }

  #readOther(bytes: Buffer, at: number, limit: number): boolean {
    let end = at;
    const last = Math.min(limit, at + LONGEST_NAME);
    while (end < last && isNameByte(bytes[end] as number)) end++;
    if (end === at || bytes[end] !== SPACE || end >= limit) return false;
    this.end = end + 1;
    this.type = RecordType.OTHER;
    if (matches(bytes, at, DAEMON)) this.type = RecordType.DAEMON_OTHER;
    else this.#readNumber(bytes, at, end);
    return true;
  }
}

/** `[A-Z0-9_[\]]`, and lower case as some user-space types have it */
function isNameByte(byte: number): boolean {
  return (
    (byte >= ZERO && byte <= ZERO + 9) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x5f ||
    byte === 0x5b ||
    byte === 0x5d ||
    byte === MINUS
  );
}
