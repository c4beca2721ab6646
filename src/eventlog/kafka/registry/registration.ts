import { MigrationAuditError } from '../../../domain/errors.js';
import { type KafkaSettings, topicName } from '../settings.js';
import type { TopicProblem } from '../topics.js';
import type { RegistryClient } from './registry-client.js';
import { SHARED_TOPICS, type SubjectNames, schemasOf, subjectOf, type WrittenSchema } from './subjects.js';

/** The schemas of the topics in a registry: registered once by an administrator, checked at any time. */

export interface SchemaPlan {
  client: RegistryClient;
  subjects: SubjectNames;
}

/** A new kind of event is one that older readers do not know, so no level that asks for forward compatibility holds. */
const LEVEL = 'BACKWARD_TRANSITIVE';
const GOOD_LEVELS: ReadonlySet<string> = new Set([LEVEL, 'BACKWARD']);

interface Subject {
  subject: string;
  /** one that has its records */
  topic: string;
  /** oldest first */
  schemas: readonly WrittenSchema[];
}

/** Topics whose subjects have the same name share it. */
function subjectsOf(settings: Pick<KafkaSettings, 'prefix'>, names: SubjectNames): Subject[] {
  const subjects = new Map<string, Subject>();
  for (const shared of SHARED_TOPICS) {
    const topic = topicName(settings, shared);
    const subject = subjectOf(names, shared, topic);
    if (!subjects.has(subject)) subjects.set(subject, { subject, topic, schemas: schemasOf(shared) });
  }
  return [...subjects.values()];
}

/**
 * Registers the schemas that are missing, of every release: a spool can hold events of an older one. What the registry
 * refuses as incompatible is left for the check to tell.
 *
 * @returns the subjects that something was registered in
 * @throws MA_SCHEMA_REGISTRY
 */
export async function registerSchemas(
  settings: Pick<KafkaSettings, 'prefix'>,
  { client, subjects }: SchemaPlan,
): Promise<string[]> {
  const registered: string[] = [];
  for (const { subject, schemas } of subjectsOf(settings, subjects)) {
    const ids = [];
    for (const { text } of schemas) ids.push(await client.idOf(subject, text));
    if (ids.every((id) => id !== null)) continue;
    if (!(await client.hasSubject(subject))) await setLevel(client, subject);
    let isNew = false;
    for (const [index, { text }] of schemas.entries())
      if (ids[index] === null) isNew = (await client.register(subject, text)) !== null || isNew;
    if (isNew) registered.push(subject);
  }
  return registered;
}

/** Who may register schemas may not always set levels; the check tells of one that will not do. */
async function setLevel(client: RegistryClient, subject: string): Promise<void> {
  try {
    await client.setCompatibility(subject, LEVEL);
  } catch (error) {
    if (!(error instanceof MigrationAuditError && error.code === 'MA_SCHEMA_REGISTRY')) throw error;
  }
}

/**
 * What is wrong with the schemas in the registry.
 *
 * @throws MA_SCHEMA_REGISTRY
 */
export async function checkSchemas(
  settings: Pick<KafkaSettings, 'prefix'>,
  { client, subjects }: SchemaPlan,
): Promise<TopicProblem[]> {
  const problems: TopicProblem[] = [];
  for (const each of subjectsOf(settings, subjects)) {
    problems.push(...(await problemsOfSchemas(client, each)));
    const { subject, topic } = each;
    const found = await client.compatibility(subject);
    const setting = `compatibility of ${subject}`;
    if (!GOOD_LEVELS.has(found)) problems.push({ topic, setting, found, wanted: LEVEL, severity: 'warning' });
  }
  return problems;
}

async function problemsOfSchemas(
  client: RegistryClient,
  { subject, topic, schemas }: Subject,
): Promise<TopicProblem[]> {
  const problems: TopicProblem[] = [];
  for (const [index, { text, fingerprint }] of schemas.entries()) {
    if ((await client.idOf(subject, text)) !== null) continue;
    const isWritten = index === schemas.length - 1;
    const refusal = isWritten ? await client.incompatibility(subject, text) : null;
    problems.push({
      topic,
      setting: `schema ${fingerprint} of ${subject}`,
      found: refusal === null ? 'not registered' : `refused as incompatible (${refusal})`,
      wanted: 'registered',
      // without the others only what older collectors and roles wrote cannot be sent on
      severity: isWritten ? 'error' : 'warning',
    });
  }
  return problems;
}
