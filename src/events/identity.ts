import { createHash } from 'node:crypto';
import type { ByteText } from '../domain/byte-text.js';
import type { Stream } from './event.js';

/**
 * Content identity. The id says what the fact is, never where it was read: the same log read twice, from another
 * path, cut elsewhere or in another format adds nothing.
 */

/**
 * An audit event is identified by what the kernel gave it; hashing its bytes would make the RAW and the ENRICHED
 * form of one event two. `part` tells the facts of one audit event apart (`''` for the only one).
 *
 * @param atMs the stamp in ms since the epoch
 */
export function auditEventId(
  host: string,
  node: ByteText | null,
  atMs: number,
  serial: number,
  part = '',
): string {
  return `${host}/audit${node === null ? '' : `@${node}`}/${atMs}:${serial}${part === '' ? '' : `/${part}`}`;
}

/**
 * A fact from a line, or from a whole file, that carries no id of its own.
 *
 * @param ordinal how many equal lines with the same stamp came before it in its stream
 */
export function contentEventId(
  host: string,
  boot: string | null,
  stream: Stream,
  atUs: number,
  content: Buffer,
  ordinal: number,
): string {
  const hash = createHash('sha256').update(content).digest('base64url').slice(0, 22);
  return `${host}/${stream}${boot === null ? '' : `@${boot}`}/${atUs}:${hash}${ordinal === 0 ? '' : `.${ordinal}`}`;
}
