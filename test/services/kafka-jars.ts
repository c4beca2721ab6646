import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The jars of a Kafka broker, resolved once by Maven and kept in the user's cache. */

const POM = fileURLToPath(new URL('./kafka-pom.xml', import.meta.url));
const JAVA_MIN = 17;

/** What this machine lacks for running a broker, in words; null when it lacks nothing. */
export function missingForKafka(): string | null {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' });
  if (java.error !== undefined) return `a JDK of version ${JAVA_MIN} or later`;
  const [, version = '0'] = /version "(\d+)/.exec(java.stderr) ?? [];
  if (Number(version) < JAVA_MIN) return `a JDK of version ${JAVA_MIN} or later (java is ${version})`;
  if (existsSync(cacheDirectory())) return null;
  return spawnSync('mvn', ['--version']).error === undefined ? null : 'Maven';
}

/** The class path of the broker. */
export async function kafkaClassPath(): Promise<string> {
  const directory = cacheDirectory();
  if (!existsSync(directory)) await resolveInto(directory);
  return join(directory, '*');
}

function cacheDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const hash = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 16);
  return join(cache, 'migration-audit', `kafka-${hash}`);
}

/** Into a directory of its own first: whoever finds the final one finds all of it. */
async function resolveInto(directory: string): Promise<void> {
  await mkdir(join(directory, '..'), { recursive: true });
  const part = await mkdtemp(`${directory}-part-`);
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${part}`];
  try {
    await promisify(execFile)('mvn', ['--batch-mode', '--quiet', '--file', POM, ...goal], {
      timeout: 600_000,
      maxBuffer: 1 << 24,
    });
    await rename(part, directory).catch((error: NodeJS.ErrnoException) => {
      // another run was faster
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}
