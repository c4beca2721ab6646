/**
 * CRC-64-AVRO (Avro specification, "Schema Fingerprints"): the Rabin fingerprint of a schema's parsing canonical
 * form, by which a message names the schema it was written with.
 */

const EMPTY = 0xc15d213aa4d7a795n;

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let fingerprint = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) fingerprint = (fingerprint >> 1n) ^ (EMPTY & -(fingerprint & 1n));
  return fingerprint;
});

/** @returns 16 hexadecimal digits, the most significant first; messages carry the bytes the other way round */
export function avroFingerprint(canonicalForm: string): string {
  let fingerprint = EMPTY;
  for (const byte of Buffer.from(canonicalForm, 'utf8')) {
    fingerprint = (fingerprint >> 8n) ^ (TABLE[Number(fingerprint & 0xffn) ^ byte] as bigint);
  }
  return fingerprint.toString(16).padStart(16, '0');
}
