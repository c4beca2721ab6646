/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 §12.1), eight bytes at a time: TABLES[k] has what a
 * byte does to the checksum of k bytes that follow it, so that eight look-ups do not wait for each other.
 */
const BYTES = 8;
const TABLES = [Int32Array.from({ length: 256 }, (_, byte) => ofByte(byte))];
while (TABLES.length < BYTES) {
  const before = TABLES.at(-1) as Int32Array;
  TABLES.push(before.map((crc) => (crc >>> 8) ^ TABLES[0]![crc & 0xff]!));
}
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function ofByte(byte: number): number {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
}

/** The checksum of `bytes`, continued from that of what came before them. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  let i = 0;
  for (const end = bytes.length - BYTES + 1; i < end; i += BYTES) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      T7[low & 0xff]! ^
      T6[(low >>> 8) & 0xff]! ^
      T5[(low >>> 16) & 0xff]! ^
      T4[low >>> 24]! ^
      T3[bytes[i + 4]!]! ^
      T2[bytes[i + 5]!]! ^
      T1[bytes[i + 6]!]! ^
      T0[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = T0[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
