import { readdirSync, writeFileSync } from 'node:fs';
import { eventTypeFrom, fingerprintOf } from '../src/events/released-schemas.js';
import { flattenedEvent, RELEASED_URL, readRecords } from './schema-source.js';

/**
 * Releases the schema as it stands in schemas/: from then on events are written with it, and every later version can
 * read them. `npx tsx scripts/release-schema.ts`; does nothing when that schema is released already.
 */

const schema = flattenedEvent(readRecords());
const fingerprint = fingerprintOf(eventTypeFrom(schema));
const released = readdirSync(RELEASED_URL).filter((file) => file.endsWith('.avsc'));
if (!released.some((file) => file.endsWith(`-${fingerprint}.avsc`))) {
  const newest = Math.max(0, ...released.map((file) => Number.parseInt(file, 10)));
  const file = `${newest + 1}-${fingerprint}.avsc`;
  writeFileSync(new URL(file, RELEASED_URL), `${JSON.stringify(schema, null, 2)}\n`);
  process.stdout.write(`schemas/released/${file}\n`);
}
