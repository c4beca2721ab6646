import { mkdirSync, writeFileSync } from 'node:fs';
import { fingerprintOf, typeFrom } from '../src/events/released-schemas.js';
import { incompatibilities } from './schema-compatibility.js';
import { flattened, ROOTS, readRecords, readReleased, releasedUrl } from './schema-source.js';

/**
 * Releases the schemas as they stand in schemas/: from then on they are written, and every later version can read
 * them. `npx tsx scripts/release-schema.ts`; does nothing for a schema that is released already, and refuses one that
 * would not be compatible with those before it.
 */

for (const root of ROOTS) {
  const schema = flattened(readRecords(), root);
  const fingerprint = fingerprintOf(typeFrom(schema));
  const released = readReleased(root);
  if (released.some((other) => other.fingerprint === fingerprint)) continue;
  const reasons = incompatibilities(
    root,
    schema,
    released.map((other) => other.schema),
  );
  if (reasons.length > 0) throw new Error(`${root} must not be released so:\n${reasons.join('\n')}`);
  const file = `${(released.at(-1)?.release ?? 0) + 1}-${fingerprint}.avsc`;
  mkdirSync(releasedUrl(root), { recursive: true });
  writeFileSync(new URL(file, releasedUrl(root)), `${JSON.stringify(schema, null, 2)}\n`);
  process.stdout.write(`${root}: ${file}\n`);
}
