import { LATEST_TIME_US } from '../../domain/time.js';
import { RELABEL_NUMBERS, TABLE_SIZE } from './syscall-table.js';
import {
  above,
  above64,
  add,
  add64,
  addTo,
  allTrue,
  and,
  and128,
  atLeast,
  bitmask,
  block,
  branch,
  branchIf,
  type Code,
  call,
  equal,
  equal64,
  equalBytes,
  extend,
  get,
  giveBack,
  I32,
  I64,
  i32,
  i64,
  load8,
  load32,
  load64,
  load128,
  loop,
  moduleOf,
  multiply,
  multiply64,
  not,
  or,
  set,
  shiftRight,
  splat,
  store32,
  storeDouble,
  subtract,
  text4,
  text8,
  toDouble,
  trailingZeros,
  unequal,
  unequal64,
  type WasmFunction,
  when,
} from './wasm.js';

/**
 * Finds runs of events that are none of ours: a SYSCALL record of a call that relabels nothing, and the records of
 * the same stamp right after it. Most of most logs is made of them, and a kernel that looks at sixteen bytes at once
 * passes over them several times faster than JavaScript looks at each line.
 *
 * It knows only what auditd writes all day. Whatever deviates (a node, a serial that is not the next one, another
 * record type, an architecture that is not in our table, a line that the window cuts) ends the run, and the line is
 * read as every other. So nothing is decided here that is not decided in the same way there; a test compares both on
 * damaged logs.
 *
 * Memory: the relabelling calls as one bit for each number of each architecture, whether the window's end ended the
 * run, the events found, and the window of text.
 */
const CALL_BYTES = TABLE_SIZE / 8;
const CUT_AT = 0x3ff0;
const EVENTS_AT = 0x4000;
export const EVENT_BYTES = 24;
const EVENTS_MAX = 1024;
export const WINDOW_AT = 0x10000;
export const WINDOW_BYTES = 0x10000;
/** 64 KiB each; the last one is read into by loads that pass the end of the window */
const PAGES = 3;

/** An event in memory: where its lines begin and end, how many there are, whether one is a PROCTITLE, its ms. */
export const EventField = { START: 0, END: 4, LINES: 8, HAS_PROCTITLE: 12, AT_MS: 16 } as const;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const EQUALS = 0x3d;

/** Offsets in `type=SYSCALL msg=audit(1795400000.000:1): arch=c000003e syscall=59 `. */
const STAMP = 'type=SYSCALL '.length;
const SECONDS = 'type=SYSCALL msg=audit('.length;
const SECONDS_DIGITS = 10;
const MS = SECONDS + SECONDS_DIGITS + 1;
const SERIAL = MS + 4;
const SERIAL_DIGITS_MAX = 10;
/** From the end of the serial on. */
const ARCH = '): arch='.length;
const AFTER_ARCH = ARCH + 'c000003e'.length;
const NUMBER = AFTER_ARCH + ' syscall='.length;
const NUMBER_DIGITS_MAX = 3;

const NEWLINE_FUNCTION = 0;

/** (from, end): where the next newline is; the end, or beyond it, when there is none before it. */
const newlineFunction: WasmFunction = {
  parameters: [I32, I32],
  result: I32,
  locals: [I32],
  body: [
    ...loop(
      set(2, bitmask(equalBytes(load128(get(0)), splat(i32(NEWLINE))))),
      when(get(2), giveBack(add(get(0), trailingZeros(get(2))))),
      addTo(0, i32(16)),
      branchIf(0, not(atLeast(get(0), get(1)))),
    ),
    ...get(1),
  ],
};

/** Parameters and locals of the kernel. */
const L = {
  /** where the event at hand begins */
  at: 0,
  end: 1,
  /** the serial that the next event must have, then what it has */
  next: 2,
  events: 3,
  /** end of the line at hand */
  newline: 4,
  /** where the line after the event's lines so far begins */
  after: 5,
  /** moves through numbers; then the end of a record's name */
  cursor: 6,
  digit: 7,
  /** address of the relabelling calls of the event's architecture; 0 when it is unknown */
  calls: 8,
  number: 9,
  lines: 10,
  proctitle: 11,
  cut: 12,
  /** address of the event in memory */
  entry: 13,
  stampLength: 14,
  stamp: 15,
  expected: 16,
  value: 17,
  at_ms: 18,
  firstWord: 19,
} as const;
const LOCALS = [
  ...[I32, I32, I32, I32, I32, I32, I32, I32, I32, I32, I32, I32, I32],
  ...[I64, I64, I64, I64],
] as const;

const stopIf = (condition: Code): Code => when(condition, giveBack(get(L.events)));
const byte = (local: number, offset = 0): Code => load8(get(local), offset);
const findNewline = (from: number): Code => set(L.newline, call(NEWLINE_FUNCTION, get(from), get(L.end)));

/** Digits at fixed places into `value`. */
function fixedDigits(offset: number, count: number): Code {
  return Array.from({ length: count }, (_, i) => [
    ...set(L.digit, subtract(byte(L.at, offset + i), i32(ZERO))),
    ...stopIf(above(get(L.digit), i32(9))),
    ...set(L.value, add64(multiply64(get(L.value), i64(10n)), extend(get(L.digit)))),
  ]).flat();
}

/** As many digits as stand at `cursor`. */
function digits(into: (digit: Code) => Code): Code {
  return loop(
    set(L.digit, subtract(byte(L.cursor), i32(ZERO))),
    when(not(above(get(L.digit), i32(9))), into(get(L.digit)), addTo(L.cursor, i32(1)), branch(1)),
  );
}

/** The SYSCALL record: leaves `cursor` after its serial. */
const readStamp: Code = [
  ...stopIf(unequal64(load64(get(L.at)), text8('type=SYS'))),
  ...stopIf(unequal64(load64(get(L.at), 8), text8('CALL msg'))),
  ...stopIf(unequal64(load64(get(L.at), 15), text8('g=audit('))),
  ...set(L.value, i64(0n)),
  ...fixedDigits(SECONDS, SECONDS_DIGITS),
  ...stopIf(unequal(byte(L.at, MS - 1), i32(DOT))),
  ...fixedDigits(MS, 3),
  ...stopIf(unequal(byte(L.at, MS + 3), i32(COLON))),
  ...set(L.at_ms, get(L.value)),
  ...stopIf(above64(get(L.at_ms), i64(BigInt(LATEST_TIME_US / 1000)))),
  ...set(L.value, i64(0n)),
  ...set(L.cursor, add(get(L.at), i32(SERIAL))),
  ...digits((digit) => set(L.value, add64(multiply64(get(L.value), i64(10n)), extend(digit)))),
  ...set(L.digit, subtract(get(L.cursor), add(get(L.at), i32(SERIAL)))),
  ...stopIf(or(not(get(L.digit)), above(get(L.digit), i32(SERIAL_DIGITS_MAX)))),
  ...stopIf(unequal64(get(L.value), get(L.expected))),
];

/** Stops at a call that relabels, and at one of which that is not known. */
const readCall: Code = [
  ...stopIf(unequal64(load64(get(L.cursor)), text8('): arch='))),
  ...set(L.stamp, add(get(L.at), i32(STAMP))),
  ...set(L.stampLength, subtract(add(get(L.cursor), i32('):'.length)), get(L.stamp))),
  ...set(L.value, load64(get(L.cursor), ARCH)),
  ...set(L.calls, i32(0)),
  ...RELABEL_NUMBERS.flatMap(({ code }, index) =>
    when(equal64(get(L.value), text8(hex8(code))), set(L.calls, i32(callsAt(index)))),
  ),
  ...stopIf(not(get(L.calls))),
  ...stopIf(unequal64(load64(get(L.cursor), AFTER_ARCH), text8(' syscall'))),
  ...stopIf(unequal(byte(L.cursor, NUMBER - 1), i32(EQUALS))),
  ...addTo(L.cursor, i32(NUMBER)),
  ...set(L.number, i32(0)),
  ...set(L.lines, get(L.cursor)),
  ...digits((digit) => set(L.number, add(multiply(get(L.number), i32(10)), digit))),
  ...set(L.digit, subtract(get(L.cursor), get(L.lines))),
  ...stopIf(or(not(get(L.digit)), above(get(L.digit), i32(NUMBER_DIGITS_MAX)))),
  ...stopIf(unequal(byte(L.cursor), i32(SPACE))),
  ...stopIf(atLeast(get(L.number), i32(TABLE_SIZE))),
  ...stopIf(
    and(
      shiftRight(load8(add(get(L.calls), shiftRight(get(L.number), i32(3)))), and(get(L.number), i32(7))),
      i32(1),
    ),
  ),
];

/** Records that say nothing without a SYSCALL record that matters: name, and how to tell it by its last letters. */
const PARTS: readonly { name: string; isIt: Code }[] = [
  { name: 'PATH', isIt: equal(load32(get(L.after), 6), text4('ATH ')) },
  { name: 'CWD', isIt: equal(load32(get(L.after), 5), text4('CWD ')) },
  { name: 'PROCTITLE', isIt: equal64(load64(get(L.after), 7), text8('OCTITLE ')) },
  { name: 'EXECVE', isIt: equal(load32(get(L.after), 8), text4('CVE ')) },
  { name: 'SOCKADDR', isIt: equal64(load64(get(L.after), 6), text8('OCKADDR ')) },
];

/** Sets `cursor` behind the name when the record at `after` is such a part, else to 0. */
const findPart: Code = [
  ...set(L.firstWord, load64(get(L.after))),
  ...set(L.cursor, i32(0)),
  ...PARTS.flatMap(({ name, isIt }) =>
    when(
      and(equal64(get(L.firstWord), text8(`type=${name}`.slice(0, 8))), isIt),
      set(L.cursor, add(get(L.after), i32(`type=${name} `.length))),
    ),
  ),
];

const isProctitle: Code = equal64(get(L.firstWord), text8('type=PRO'));

/** Sixteen bytes of the stamp and those at the same place of the record are equal. */
const areEqualAt = (offset: Code): Code =>
  equalBytes(load128(add(get(L.stamp), offset)), load128(add(get(L.cursor), offset)));

/** A stamp has 28 to 37 bytes from `msg=` to its last colon: three overlapping sixteens cover it. */
const hasStamp: Code = allTrue(
  and128(and128(areEqualAt(i32(0)), areEqualAt(i32(12))), areEqualAt(subtract(get(L.stampLength), i32(16)))),
);

/** Takes the lines that follow with the same stamp. */
const readParts: Code = [
  ...set(L.lines, i32(1)),
  ...set(L.proctitle, i32(0)),
  ...set(L.after, add(get(L.newline), i32(1))),
  ...block(
    loop(
      findNewline(L.after),
      set(L.cut, atLeast(get(L.newline), get(L.end))),
      branchIf(1, get(L.cut)),
      findPart,
      branchIf(1, not(get(L.cursor))),
      branchIf(1, not(hasStamp)),
      when(isProctitle, set(L.proctitle, i32(1))),
      addTo(L.lines, i32(1)),
      set(L.after, add(get(L.newline), i32(1))),
      branch(0),
    ),
  ),
];

const recordEvent: Code = [
  ...set(L.entry, add(i32(EVENTS_AT), multiply(get(L.events), i32(EVENT_BYTES)))),
  ...store32(get(L.entry), EventField.START, get(L.at)),
  ...store32(get(L.entry), EventField.END, get(L.after)),
  ...store32(get(L.entry), EventField.LINES, get(L.lines)),
  ...store32(get(L.entry), EventField.HAS_PROCTITLE, get(L.proctitle)),
  ...storeDouble(get(L.entry), EventField.AT_MS, toDouble(get(L.at_ms))),
  ...addTo(L.events, i32(1)),
];

/**
 * (at, end, next): how many events from `at` on are in memory now, the first with the serial `next`. Both addresses
 * are in the window. When the loop comes round, the newline of the line at hand is known.
 */
const runFunction: WasmFunction = {
  parameters: [I32, I32, I32],
  result: I32,
  locals: LOCALS,
  body: [
    ...set(L.expected, extend(get(L.next))),
    ...store32(i32(CUT_AT), 0, i32(1)),
    ...findNewline(L.at),
    ...stopIf(atLeast(get(L.newline), get(L.end))),
    ...store32(i32(CUT_AT), 0, i32(0)),
    ...loop(
      readStamp,
      readCall,
      readParts,
      recordEvent,
      set(L.at, get(L.after)),
      set(L.expected, add64(get(L.expected), i64(1n))),
      store32(i32(CUT_AT), 0, get(L.cut)),
      stopIf(or(get(L.cut), equal(get(L.events), i32(EVENTS_MAX)))),
      branch(0),
    ),
    ...get(L.events),
  ],
};

function callsAt(index: number): number {
  return (index + 1) * CALL_BYTES;
}

function hex8(code: number): string {
  return code.toString(16).padStart(8, '0');
}

/** What neither Node's typings nor the language's tell; a browser's would bring a thousand names that are not there. */
declare const WebAssembly: {
  Memory: new (limits: { initial: number }) => { buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, unknown> };
};

export interface ForeignKernel {
  memory: Uint8Array;
  events: DataView;
  run(at: number, end: number, nextSerial: number): number;
  /** The last run ended only because the window did. */
  isCut(): boolean;
}

export function foreignKernel(): ForeignKernel {
  const memory = new WebAssembly.Memory({ initial: PAGES });
  const bytes = new Uint8Array(memory.buffer);
  for (const [index, { numbers }] of RELABEL_NUMBERS.entries())
    for (const number of numbers) {
      const address = callsAt(index) + (number >> 3);
      bytes[address] = (bytes[address] as number) | (1 << (number & 7));
    }
  const module = new WebAssembly.Module(moduleOf([newlineFunction, runFunction], PAGES));
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  return {
    memory: bytes,
    events: new DataView(memory.buffer, EVENTS_AT, EVENTS_MAX * EVENT_BYTES),
    run: run as ForeignKernel['run'],
    isCut: () => bytes[CUT_AT] !== 0,
  };
}
