import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin, type ITopicMetadata, type Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { TOPICS, type Topic } from '../port.js';
import { explained, kafkaClient } from './client.js';
import { clientFor } from './internals.js';
import { type KafkaSettings, topicName } from './settings.js';

// Node does not find this name among the exports of a CommonJS module
const { ConfigResourceTypes } = kafkajs;

/** The topics as they have to be: made once by an administrator, checked at any time. */

export interface TopicPlan {
  /** of every topic: what is made of partition n of one is in partition n of the others */
  partitions: number;
  replication: number;
  retention_h: number;
}

export interface TopicProblem {
  topic: string;
  setting: string;
  found: string;
  wanted: string;
  /** an error makes wrong results or stops processing; a warning is a risk that may be meant */
  severity: 'error' | 'warning';
}

/** What a setting is to be, and what else is as good. */
interface Wanted {
  value: string;
  severity: TopicProblem['severity'];
  isGood: (found: string) => boolean;
  inWords?: string;
}

/** What is made of an event holds its bytes and more; such a record must not be one that the brokers refuse. */
const OUTPUT_BYTES_FACTOR = 2;
const HOUR_MS = 3_600_000;
/** until brokers know of topics that were made */
const KNOWN_TRIES = 50;
const KNOWN_RETRY_MS = 200;
/** Dead letters wait for somebody to look at them. */
const DEAD_LETTERS_RETENTION_FACTOR = 4;

function settingsOf(topic: Topic, plan: TopicPlan, settings: KafkaSettings): Record<string, Wanted> {
  const in_sync = Math.max(1, plan.replication - 1);
  const common: Record<string, Wanted> = {
    'cleanup.policy': exactly(topic === 'state' ? 'compact' : 'delete', 'error'),
    'max.message.bytes': atLeast(
      settings.batch_bytes_max * (topic === 'events' ? 1 : OUTPUT_BYTES_FACTOR),
      'error',
    ),
    'min.insync.replicas': atLeast(in_sync, 'warning'),
    // a host whose clock is wrong must not have its events deleted early, or kept forever
    'message.timestamp.type': exactly('LogAppendTime', 'warning'),
    'compression.type': oneOf(['producer', 'gzip', 'uncompressed'], 'error'),
    'unclean.leader.election.enable': exactly('false', 'warning'),
  };
  if (topic === 'state') return common;
  const factor = topic === 'dead-letters' ? DEAD_LETTERS_RETENTION_FACTOR : 1;
  const retention_ms = plan.retention_h * HOUR_MS * factor;
  return {
    ...common,
    'retention.ms': {
      ...atLeast(retention_ms, 'warning'),
      isGood: (found) => found === '-1' || Number(found) >= retention_ms,
    },
  };
}

function exactly(value: string, severity: Wanted['severity']): Wanted {
  return { value, severity, isGood: (found) => found === value };
}

function atLeast(least: number, severity: Wanted['severity']): Wanted {
  return {
    value: String(least),
    severity,
    isGood: (found) => Number(found) >= least,
    inWords: `at least ${least}`,
  };
}

function oneOf(values: readonly [string, ...string[]], severity: Wanted['severity']): Wanted {
  return {
    value: values[0],
    severity,
    isGood: (found) => values.includes(found),
    inWords: values.join(' or '),
  };
}

/**
 * Makes the topics that are missing; those that are there are left as they are.
 *
 * @returns the names of those that were made
 * @throws MA_KAFKA, MA_KAFKA_REFUSED
 */
export async function createTopics(
  settings: KafkaSettings,
  plan: TopicPlan,
  logger: Logger,
): Promise<string[]> {
  return withAdmin(kafkaClient(settings, logger), settings, async (admin) => {
    const there = new Set(await admin.listTopics());
    const missing = TOPICS.filter((topic) => !there.has(topicName(settings, topic)));
    if (missing.length === 0) return [];
    await admin.createTopics({
      // kafkajs would fail at the first broker that has not heard of them yet
      waitForLeaders: false,
      topics: missing.map((topic) => ({
        topic: topicName(settings, topic),
        numPartitions: plan.partitions,
        replicationFactor: plan.replication,
        configEntries: Object.entries(settingsOf(topic, plan, settings)).map(([name, { value }]) => ({
          name,
          value,
        })),
      })),
    });
    const names = missing.map((topic) => topicName(settings, topic));
    for (let tries = 0; tries < KNOWN_TRIES; tries++) {
      if ((await topicsThere(admin, names)).length === names.length) break;
      await sleep(KNOWN_RETRY_MS);
    }
    return names;
  });
}

/**
 * What is wrong with the topics.
 *
 * @throws MA_KAFKA, MA_KAFKA_REFUSED
 */
export async function checkTopics(
  settings: KafkaSettings,
  plan: TopicPlan,
  logger: Logger,
): Promise<TopicProblem[]> {
  const kafka = kafkaClient(settings, logger);
  const names = TOPICS.map((topic) => topicName(settings, topic));
  const topics = await withAdmin(kafka, settings, (admin) => topicsThere(admin, names));
  const there = new Set(topics.map(({ name }) => name));
  const problems = names
    .filter((name) => !there.has(name))
    .map((topic): TopicProblem => {
      return { topic, setting: 'topic', found: 'missing', wanted: 'there', severity: 'error' };
    });
  const [some] = there;
  if (some === undefined) return problems;
  problems.push(...problemsOfPartitions(topics, plan));
  await withAdmin(clientFor(kafka, some), settings, async (admin) => {
    for (const topic of TOPICS)
      if (there.has(topicName(settings, topic)))
        problems.push(...(await problemsOfSettings(admin, settings, topic, plan)));
  });
  return problems;
}

/** Asked for one by one: whoever asks for all is refused while any topic, of whomever, has a partition without a leader. */
async function topicsThere(admin: Admin, names: readonly string[]): Promise<ITopicMetadata[]> {
  const there: ITopicMetadata[] = [];
  for (const name of names)
    try {
      there.push(...(await admin.fetchTopicMetadata({ topics: [name] })).topics);
    } catch (error) {
      if (explained(error, name).code !== 'MA_KAFKA_TOPIC') throw error;
    }
  return there;
}

/** Their number must be equal; that of the plan is what new ones get, and growing needs more than a check. */
function problemsOfPartitions(topics: readonly ITopicMetadata[], plan: TopicPlan): TopicProblem[] {
  const most = Math.max(...topics.map(({ partitions }) => partitions.length));
  const unequal = topics
    .filter(({ partitions }) => partitions.length !== most)
    .map(({ name, partitions }): TopicProblem => {
      const found = String(partitions.length);
      return { topic: name, setting: 'partitions', found, wanted: String(most), severity: 'error' };
    });
  const fragile = topics.flatMap(({ name, partitions }): TopicProblem[] => {
    const least = Math.min(...partitions.map(({ replicas }) => replicas.length));
    if (least >= plan.replication) return [];
    const wanted = `at least ${plan.replication}`;
    return [{ topic: name, setting: 'replication', found: String(least), wanted, severity: 'warning' }];
  });
  return [...unequal, ...fragile];
}

async function problemsOfSettings(
  admin: Admin,
  settings: KafkaSettings,
  topic: Topic,
  plan: TopicPlan,
): Promise<TopicProblem[]> {
  const name = topicName(settings, topic);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name }],
  });
  const values = new Map(resources[0]?.configEntries.map((entry) => [entry.configName, entry.configValue]));
  return Object.entries(settingsOf(topic, plan, settings)).flatMap(
    ([setting, { value, severity, isGood, inWords }]) => {
      const found = values.get(setting) ?? 'not set';
      return isGood(found) ? [] : [{ topic: name, setting, found, wanted: inWords ?? value, severity }];
    },
  );
}

async function withAdmin<T>(
  kafka: Kafka,
  settings: KafkaSettings,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await use(admin);
  } catch (error) {
    throw explained(error, settings.brokers.join(', '));
  } finally {
    await admin.disconnect().catch(() => {});
  }
}
