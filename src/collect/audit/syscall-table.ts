import type { RelabelCall } from '../../events/event.js';

/** Which arguments of a call mean what: index into a0..a3, -1 for none. */
export interface CallShape {
  call: RelabelCall;
  uidArgument: number;
  gidArgument: number;
  modeArgument: number;
  /** size of an xattr's value; -1 where the call hides it in a struct or has none */
  sizeArgument: number;
  /** a0 is a directory that relative names start from */
  hasDirectory: boolean;
  /** ids are 16 bits wide, 0xffff means "leave as it is" */
  has16BitIds: boolean;
  xattr: 'set' | 'remove' | null;
}

function shape(call: RelabelCall, parts: Partial<CallShape>): CallShape {
  return {
    call,
    uidArgument: -1,
    gidArgument: -1,
    modeArgument: -1,
    sizeArgument: -1,
    hasDirectory: false,
    has16BitIds: false,
    xattr: null,
    ...parts,
  };
}

const OWNER = { uidArgument: 1, gidArgument: 2 };
const OWNER_16 = { ...OWNER, has16BitIds: true };
const SET = { sizeArgument: 3, xattr: 'set' as const };
const REMOVE = { xattr: 'remove' as const };

const chown = shape('chown', OWNER);
const fchown = shape('fchown', OWNER);
const lchown = shape('lchown', OWNER);
const chown16 = shape('chown', OWNER_16);
const fchown16 = shape('fchown', OWNER_16);
const lchown16 = shape('lchown', OWNER_16);
const fchownat = shape('fchownat', { uidArgument: 2, gidArgument: 3, hasDirectory: true });
const chmod = shape('chmod', { modeArgument: 1 });
const fchmod = shape('fchmod', { modeArgument: 1 });
const fchmodat = shape('fchmodat', { modeArgument: 2, hasDirectory: true });
const fchmodat2 = shape('fchmodat2', { modeArgument: 2, hasDirectory: true });
const setxattr = shape('setxattr', SET);
const lsetxattr = shape('lsetxattr', SET);
const fsetxattr = shape('fsetxattr', SET);
const removexattr = shape('removexattr', REMOVE);
const lremovexattr = shape('lremovexattr', REMOVE);
const fremovexattr = shape('fremovexattr', REMOVE);
const setxattrat = shape('setxattrat', { xattr: 'set', hasDirectory: true });
const removexattrat = shape('removexattrat', { xattr: 'remove', hasDirectory: true });

/** io_uring's own operations; they carry no arguments in the log. */
export const URING_SHAPES: ReadonlyMap<number, CallShape> = new Map([
  [41, shape('uring-fsetxattr', { xattr: 'set' })],
  [42, shape('uring-setxattr', { xattr: 'set' })],
]);

/** Calls that have one number everywhere, being newer than the common table (Linux 5.1). */
const COMMON: [number, CallShape][] = [
  [452, fchmodat2],
  [463, setxattrat],
  [466, removexattrat],
];

function xattrCalls(firstSet: number, firstRemove: number): [number, CallShape][] {
  return [
    [firstSet, setxattr],
    [firstSet + 1, lsetxattr],
    [firstSet + 2, fsetxattr],
    [firstRemove, removexattr],
    [firstRemove + 1, lremovexattr],
    [firstRemove + 2, fremovexattr],
  ];
}

const POWER: [number, CallShape][] = [
  [181, chown],
  [95, fchown],
  [16, lchown],
  [289, fchownat],
  [15, chmod],
  [94, fchmod],
  [297, fchmodat],
  ...xattrCalls(209, 218),
];

/** Calls whose 16-bit forms came first and have the same numbers on i386 and arm. */
const WITH_16_BIT_IDS: [number, CallShape][] = [
  [212, chown],
  [207, fchown],
  [198, lchown],
  [182, chown16],
  [95, fchown16],
  [16, lchown16],
  [15, chmod],
  [94, fchmod],
  ...xattrCalls(226, 235),
];

export interface Architecture {
  /** AUDIT_ARCH_* as in `arch=` */
  code: number;
  name: string;
  /** by system call number; undefined for calls that do not relabel */
  calls: readonly (CallShape | undefined)[];
}

/** one more than the highest number that is looked up as it stands */
export const TABLE_SIZE = 512;

function architecture(code: number, name: string, calls: [number, CallShape][]): Architecture {
  const table: (CallShape | undefined)[] = new Array(TABLE_SIZE).fill(undefined);
  for (const [number, call] of [...calls, ...COMMON]) table[number] = call;
  return { code, name, calls: table };
}

/**
 * Source: the kernel's syscall tables, as in audit-userspace lib/*_table.h. A call is decided by architecture and
 * number, never by the SYSCALL= text of ENRICHED logs: 198 is lchown on i386 and lremovexattr on x86_64.
 */
const ARCHITECTURES: readonly Architecture[] = [
  architecture(0xc000003e, 'x86_64', [
    [92, chown],
    [93, fchown],
    [94, lchown],
    [260, fchownat],
    [90, chmod],
    [91, fchmod],
    [268, fchmodat],
    ...xattrCalls(188, 197),
  ]),
  architecture(0x40000003, 'i386', [...WITH_16_BIT_IDS, [298, fchownat], [306, fchmodat]]),
  architecture(0xc00000b7, 'aarch64', [
    [55, fchown],
    [54, fchownat],
    [52, fchmod],
    [53, fchmodat],
    ...xattrCalls(5, 14),
  ]),
  architecture(0xc0000015, 'ppc64le', POWER),
  architecture(0x80000015, 'ppc64', POWER),
  architecture(0x80000016, 's390x', [
    [212, chown],
    [207, fchown],
    [198, lchown],
    [291, fchownat],
    [15, chmod],
    [94, fchmod],
    [299, fchmodat],
    ...xattrCalls(224, 233),
  ]),
  architecture(0x40000028, 'arm', [...WITH_16_BIT_IDS, [325, fchownat], [333, fchmodat]]),
];

/** By architecture: the numbers of its calls that relabel. */
export const RELABEL_NUMBERS: readonly { code: number; numbers: readonly number[] }[] = ARCHITECTURES.map(
  ({ code, calls }) => ({ code, numbers: [...calls.keys()].filter((number) => calls[number] !== undefined) }),
);

/** x32 programs set this bit on x86_64's numbers. */
const X32_BIT = 0x40000000;

const BY_CODE: ReadonlyMap<number, Architecture> = new Map(ARCHITECTURES.map((known) => [known.code, known]));
let lastFound: Architecture | undefined;

export function architectureOf(code: number): Architecture | undefined {
  if (lastFound !== undefined && lastFound.code === code) return lastFound;
  const found = BY_CODE.get(code);
  if (found !== undefined) lastFound = found;
  return found;
}

/** @returns the call if it changes labels, undefined for all others */
export function relabelCallOf(known: Architecture, number: number): CallShape | undefined {
  return number < TABLE_SIZE ? known.calls[number] : known.calls[number & ~X32_BIT];
}
