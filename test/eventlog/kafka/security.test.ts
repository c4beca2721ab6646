import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { kafkaSettings } from '../../../src/eventlog/kafka/configured.js';
import { openKafkaLog } from '../../../src/eventlog/kafka/kafka-log.js';
import type { KafkaSettings } from '../../../src/eventlog/kafka/settings.js';
import { load } from '../../config/loading.js';
import { describeWithKafka, freshSettings, withTopics } from '../../services/kafka.js';
import { KafkaBroker } from '../../services/kafka-broker.js';
import { readUntil, record, taken } from '../contract.js';

const PASSWORD = 'pass-word-of-alice';
const run = promisify(execFile);

describeWithKafka('brokers that ask who it is', () => {
  let directory: string;
  let broker: KafkaBroker;
  let topics: KafkaSettings;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'migration-audit-security-'));
    await certificates(directory);
    const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map(
      (mechanism) => `${mechanism}=[name=alice,password=${PASSWORD}]`,
    );
    broker = await KafkaBroker.start({ scram, properties: secured(directory) });
    topics = await withTopics(freshSettings(broker.address));
  });
  afterAll(async () => {
    await broker?.destroy();
    await rm(directory, { recursive: true, force: true });
  });

  const configured = async (sasl: string, variables: Record<string, string> = {}) => {
    const text = `cluster: lab
event_log:
  kind: kafka
  brokers: ${broker.secureAddress}
  topic_prefix: ${topics.prefix}
  ssl: {ca_file: ${directory}/ca.pem, cert_file: ${directory}/client.pem, key_file: ${directory}/client.key}
  sasl: ${sasl}
`;
    const { configuration } = await load(text, variables);
    if (configuration.event_log.kind !== 'kafka') throw new Error('not kafka');
    return kafkaSettings(configuration.event_log, 'hosta');
  };

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'])(
    'take a password by %s, over TLS',
    async (mechanism) => {
      const file = join(directory, 'password');
      await writeFile(file, `${PASSWORD}\n`, { mode: 0o600 });
      const log = openKafkaLog(
        await configured(`{mechanism: ${mechanism}, username: alice, password_file: ${file}}`),
        pino({ level: 'silent' }),
      );
      await log.appendTo('events', [record(mechanism)]);
      const { taken: values } = await readUntil(log, { group: mechanism }, (all) => all.includes(mechanism));
      expect(values).toContain(mechanism);
      await log.close();
    },
  );

  it('take a token, read anew at every login', async () => {
    const file = join(directory, 'token');
    const settings = await configured(`{mechanism: oauthbearer, token_file: ${file}}`);
    await writeFile(file, unsecuredToken('alice'));
    const log = openKafkaLog(settings, pino({ level: 'silent' }));
    await log.appendTo('events', [record('by token')]);
    await log.close();
  });

  it('refuse a wrong password, which no log repeats', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'debug' }, { write: (line) => void lines.push(line) });
    const wrong = 'not-the-pass-word';
    const settings = await configured('{mechanism: scram-sha-512, username: alice}', {
      MIGRATION_AUDIT_EVENT_LOG_SASL_PASSWORD: wrong,
    });
    const log = openKafkaLog(settings, logger);
    const refused = { code: 'MA_KAFKA_REFUSED' };
    await expect(log.appendTo('events', [record('a')])).rejects.toMatchObject(refused);
    await expect(readUntil(log, {}, taken(1))).rejects.toMatchObject(refused);
    await log.close();
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('')).not.toContain(wrong);
  });

  it('are refused when their certificate is of an unknown authority', async () => {
    const settings = await configured(`{mechanism: plain, username: alice}`, {
      MIGRATION_AUDIT_EVENT_LOG_SASL_PASSWORD: PASSWORD,
      MIGRATION_AUDIT_EVENT_LOG_SSL_CA_FILE: join(directory, 'client.pem'),
    });
    const log = openKafkaLog(settings, pino({ level: 'silent' }));
    await expect(log.appendTo('events', [record('a')])).rejects.toMatchObject({ code: 'MA_KAFKA' });
    await log.close();
  });
});

/** A certificate authority, and what the broker and its clients show. */
async function certificates(directory: string): Promise<void> {
  const openssl = (...args: string[]) => run('openssl', args, { cwd: directory });
  const key = ['-newkey', 'rsa:2048', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=ca',
    '-days',
    '2',
  );
  await writeFile(join(directory, 'san'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['broker', 'client']) {
    await openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'san'];
    await openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signing);
  }
  const parts = await Promise.all(
    ['broker.key', 'broker.pem'].map((name) => readFile(join(directory, name))),
  );
  await writeFile(join(directory, 'broker-keystore.pem'), Buffer.concat(parts));
}

function secured(directory: string) {
  return ({ plain, secure }: { plain: number; secure: number }) => {
    const module = 'org.apache.kafka.common.security';
    return {
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
      'inter.broker.listener.name': 'PLAINTEXT',
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${plain},SECURE://127.0.0.1:${secure}`,
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': join(directory, 'broker-keystore.pem'),
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': join(directory, 'ca.pem'),
      'listener.name.secure.ssl.client.auth': 'required',
      'listener.name.secure.plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required user_alice="${PASSWORD}";`,
      'listener.name.secure.scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
      'listener.name.secure.scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
      'listener.name.secure.oauthbearer.sasl.jaas.config': `${module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="alice";`,
    };
  };
}

/** What a broker without an authority for tokens takes, in tests only. */
function unsecuredToken(subject: string): string {
  const now_s = Math.floor(Date.now() / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now_s, exp: now_s + 600 })}.`;
}
