import { writeFileSync } from 'node:fs';
import { eventTypeFrom, fingerprintOf } from '../src/events/released-schemas.js';
import { flattenedEvent, RELEASED_URL, readRecords, readReleased } from './schema-source.js';

/**
 * Releases the schema as it stands in schemas/: from then on events are written with it, and every later version can
 * read them. `npx tsx scripts/release-schema.ts`; does nothing when that schema is released already.
 */

const schema = flattenedEvent(readRecords());
const fingerprint = fingerprintOf(eventTypeFrom(schema));
const released = readReleased();
if (!released.some((other) => other.fingerprint === fingerprint)) {
  const file = `${(released.at(-1)?.release ?? 0) + 1}-${fingerprint}.avsc`;
  writeFileSync(new URL(file, RELEASED_URL), `${JSON.stringify(schema, null, 2)}\n`);
  process.stdout.write(`schemas/released/${file}\n`);
}
