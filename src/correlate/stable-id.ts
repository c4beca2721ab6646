import { createHash } from 'node:crypto';

/** Short name of a thing that is what its parts say it is: the same parts always give the same name. */
export function stableId(prefix: string, ...parts: readonly (string | null)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
  return `${prefix}-${hash}`;
}
