import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, inject, vi } from 'vitest';
import type { KafkaSettings } from '../../src/eventlog/kafka/settings.js';
import { createTopics } from '../../src/eventlog/kafka/topics.js';
import { missingForKafka } from './kafka-jars.js';
import { testLogger } from './test-logger.js';

/** Kafka for tests: what they need to reach the broker of the run, or one of their own. */

const missing = missingForKafka();
if (missing !== null) {
  const said = `The tests with a real Kafka broker need ${missing}.`;
  // where nobody reads warnings, a test that did not run has failed
  if (process.env['CI'] !== undefined) throw new Error(said);
  console.warn(`${said} They are skipped.`);
}

// brokers and groups take seconds, on a busy machine many of them
vi.setConfig({ testTimeout: 180_000 });

/** `describe`, where a broker can run. */
export const describeWithKafka = describe.skipIf(missing !== null);

/** The address of the broker that all tests of a run share. */
export async function sharedBroker(): Promise<string> {
  const answer = await text(connect(inject('kafkaSocket')));
  const { address, error } = JSON.parse(answer) as { address?: string; error?: string };
  if (address === undefined) throw new Error(error);
  return address;
}

let topics = 0;

/** Topics of their own for each test. */
export function freshSettings(address: string, changes: Partial<KafkaSettings> = {}): KafkaSettings {
  return {
    brokers: [address],
    client_id: 'test',
    prefix: `t${process.pid}-${Date.now()}-${topics++}`,
    ssl: null,
    sasl: null,
    compression: 'gzip',
    batch_bytes_max: 1_000_000,
    session_timeout_ms: 6_000,
    ...changes,
  };
}

export async function withTopics(settings: KafkaSettings, partitions = 1): Promise<KafkaSettings> {
  await createTopics(settings, { partitions, replication: 1, retention_h: 24 }, testLogger);
  return settings;
}
