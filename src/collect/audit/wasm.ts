/**
 * As much of an assembler for WebAssembly as the kernel of `foreign-kernel.ts` needs: each function gives the bytes of
 * one instruction, with the code of its operands before it, in the order in which a program would be read.
 */
export type Code = readonly number[];

const NO_RESULT = 0x40;
const UNALIGNED = 0x00;
const SIMD = 0xfd;

export const I32 = 0x7f;
export const I64 = 0x7e;
type ValueType = typeof I32 | typeof I64;

const instruction =
  (...opcode: number[]) =>
  (...operands: Code[]): Code => [...operands.flat(), ...opcode];

export const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))];
export const i64 = (value: bigint): Code => [0x42, ...signed(value)];
/** Eight characters, as they are loaded from memory. */
export const text8 = (text: string): Code => i64(Buffer.from(text, 'latin1').readBigInt64LE());
export const text4 = (text: string): Code => i32(Buffer.from(text, 'latin1').readInt32LE());

export const get = (local: number): Code => [0x20, local];
export const set = (local: number, value: Code): Code => [...value, 0x21, local];
export const addTo = (local: number, value: Code): Code => set(local, add(get(local), value));

export const not = instruction(0x45);
export const equal = instruction(0x46);
export const unequal = instruction(0x47);
export const above = instruction(0x4b);
export const atLeast = instruction(0x4f);
export const trailingZeros = instruction(0x68);
export const add = instruction(0x6a);
export const subtract = instruction(0x6b);
export const multiply = instruction(0x6c);
export const and = instruction(0x71);
export const or = instruction(0x72);
export const shiftRight = instruction(0x76);

export const equal64 = instruction(0x51);
export const unequal64 = instruction(0x52);
export const above64 = instruction(0x56);
export const add64 = instruction(0x7c);
export const multiply64 = instruction(0x7e);
export const extend = instruction(0xad);
export const toDouble = instruction(0xba);

const memory =
  (...opcode: number[]) =>
  (address: Code, offset = 0): Code => [...address, ...opcode, UNALIGNED, ...unsigned(offset)];

export const load8 = memory(0x2d);
export const load32 = memory(0x28);
export const load64 = memory(0x29);
export const load128 = memory(SIMD, 0x00);

export const store32 = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  0x36,
  UNALIGNED,
  ...unsigned(offset),
];
export const storeDouble = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  0x39,
  UNALIGNED,
  ...unsigned(offset),
];

/** Sixteen times the byte that is given. */
export const splat = instruction(SIMD, 0x0f);
export const equalBytes = instruction(SIMD, 0x23);
export const allTrue = instruction(SIMD, 0x63);
/** One bit for each of sixteen bytes. */
export const bitmask = instruction(SIMD, 0x64);
export const and128 = instruction(SIMD, 0x4e);

export const block = (...body: Code[]): Code => [0x02, NO_RESULT, ...body.flat(), 0x0b];
export const loop = (...body: Code[]): Code => [0x03, NO_RESULT, ...body.flat(), 0x0b];
export const when = (condition: Code, ...body: Code[]): Code => [
  ...condition,
  0x04,
  NO_RESULT,
  ...body.flat(),
  0x0b,
];
/** Leaves a block, or begins a loop again: 0 is the innermost one that the branch stands in. */
export const branch = (depth: number): Code => [0x0c, depth];
export const branchIf = (depth: number, condition: Code): Code => [...condition, 0x0d, depth];
export const giveBack = (value: Code): Code => [...value, 0x0f];
export const call = (index: number, ...operands: Code[]): Code => [...operands.flat(), 0x10, index];

export interface WasmFunction {
  parameters: readonly ValueType[];
  result: ValueType;
  /** after the parameters */
  locals: readonly ValueType[];
  body: Code;
}

/**
 * A module that imports a memory, `env.memory`, and exports its last function as `run`.
 *
 * @param pages of 64 KiB that the memory must have
 */
export function moduleOf(functions: readonly WasmFunction[], pages: number): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...listOf(parameters.map((type) => [type])),
    ...listOf([[result]]),
  ]);
  const bodies = functions.map(({ locals, body }) => {
    const code = [...listOf(locals.map((type) => [1, type])), ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, listOf(types)),
    ...section(2, listOf([[...nameOf('env'), ...nameOf('memory'), 0x02, 0x00, ...unsigned(pages)]])),
    ...section(3, listOf(functions.map((_, index) => [index]))),
    ...section(7, listOf([[...nameOf('run'), 0x00, functions.length - 1]])),
    ...section(10, listOf(bodies)),
  ]);
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content];
}

function listOf(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function nameOf(name: string): Code {
  return [...unsigned(name.length), ...Buffer.from(name, 'latin1')];
}

/** LEB128. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

function signed(value: bigint): Code {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
    if (isLast) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}
