import { HEADER_BYTES, headerOf, REGISTRY_MARKER } from '../../../events/single-object.js';

/**
 * A record as others of the fleet read it, who know a schema registry:
 *
 *     00 | 4 bytes, big-endian: id of the writer's schema in the registry | the record, Avro binary
 *
 * What follows the header is the same as in our own form (Avro single-object encoding): to go from one to the other is
 * to change the header, whatever the record says.
 */
const ID_AT = 1;
const REGISTRY_HEADER_BYTES = 5;

/** The id of its schema; null when it is not in this form. */
export function registryIdIn(bytes: Buffer): number | null {
  return bytes[0] === REGISTRY_MARKER && bytes.length >= REGISTRY_HEADER_BYTES
    ? bytes.readInt32BE(ID_AT)
    : null;
}

/** @param own a record in our own form */
export function registryForm(own: Buffer, id: number): Buffer {
  const bytes = Buffer.allocUnsafe(REGISTRY_HEADER_BYTES + own.length - HEADER_BYTES);
  bytes[0] = REGISTRY_MARKER;
  bytes.writeInt32BE(id, ID_AT);
  own.copy(bytes, REGISTRY_HEADER_BYTES, HEADER_BYTES);
  return bytes;
}

/** @param framed a record in the registry's form, of the schema with this fingerprint */
export function ownForm(framed: Buffer, fingerprint: string): Buffer {
  return Buffer.concat([headerOf({ fingerprint }), framed.subarray(REGISTRY_HEADER_BYTES)]);
}
