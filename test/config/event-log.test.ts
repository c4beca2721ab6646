import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { load, problemsOf } from './loading.js';

const kafka = (...lines: string[]) =>
  [
    'cluster: lab',
    'event_log:',
    '  kind: kafka',
    '  brokers: k1:9093',
    ...lines.map((line) => `  ${line}`),
    '',
  ].join('\n');

describe('event_log, on Kafka', () => {
  it.each(['k1:9093', 'k1.example.org:9093,k2.example.org:9093', '10.0.0.1:1, [::1]:65535'])(
    'takes brokers: %s',
    async (brokers) => {
      const { configuration } = await load('cluster: lab\nevent_log: {kind: kafka, brokers: x:1}\n', {
        MIGRATION_AUDIT_EVENT_LOG_BROKERS: brokers,
      });
      expect(configuration.event_log).toMatchObject({ kind: 'kafka', brokers });
    },
  );

  it.each(['k1', 'k1:', 'k1:0', ':9093', 'k1:9093,', 'PLAINTEXT://k1:9093', 'k1:9093;k2:9093', ''])(
    'takes no brokers: %j',
    async (brokers) => {
      const problems = await problemsOf(
        `cluster: lab\nevent_log: {kind: kafka, brokers: ${JSON.stringify(brokers)}}\n`,
      );
      expect(problems).toEqual([expect.stringContaining('event_log.brokers: expected text `host:port`')]);
    },
  );

  it('speaks TLS unless it is told otherwise, and says what that means with a login', async () => {
    expect((await load(kafka())).configuration.event_log).toMatchObject({
      ssl: { enabled: true },
      sasl: { mechanism: 'none' },
    });
    const { warnings } = await load(
      kafka('ssl: {enabled: false}', 'sasl: {mechanism: oauthbearer, token_file: /t}'),
    );
    expect(warnings).toEqual([expect.stringContaining('event_log.ssl.enabled')]);
  });

  it.each([
    [
      ['ssl: {cert_file: /c}'],
      'event_log.ssl.key_file: a certificate and its key go together: name both files or none',
    ],
    [
      ['ssl: {key_file: /k}'],
      'event_log.ssl.cert_file: a certificate and its key go together: name both files or none',
    ],
    [
      ['sasl: {mechanism: plain, password_file: /p}'],
      'event_log.sasl.username: is needed to log in by plain',
    ],
    [
      ['sasl: {mechanism: scram-sha-512, username: u}'],
      'event_log.sasl.password_file: is needed to log in by scram-sha-512',
    ],
    [['sasl: {mechanism: oauthbearer}'], 'event_log.sasl.token_file: is needed to log in by oauthbearer'],
    [
      ['sasl: {mechanism: plain, username: u, password: p}'],
      'event_log.sasl.password: a secret does not stand in this file',
    ],
  ])('refuses %j', async (lines, problem) => {
    const found = await problemsOf(kafka(...lines));
    expect(found.join('\n')).toContain(problem);
  });

  it('reads the password out of its file', async () => {
    const file = join(temporaryDirectory(), 'password');
    writeFileSync(file, 'hunter2\n', { mode: 0o600 });
    const { configuration, origins } = await load(
      kafka('sasl:', '  mechanism: plain', '  username: u', `  password_file: ${file}`),
    );
    const { event_log } = configuration;
    expect(event_log.kind === 'kafka' && event_log.sasl.password?.reveal()).toBe('hunter2');
    expect(origins.get('event_log.sasl.password')).toEqual({ from: 'file', line: 8 });
    expect(JSON.stringify(configuration)).not.toContain('hunter2');
  });

  it('says which password file cannot be used', async () => {
    const problems = await problemsOf(
      kafka('sasl: {mechanism: plain, username: u, password_file: /nowhere}'),
    );
    expect(problems).toEqual(['line 5: event_log.sasl.password_file: /nowhere there is no such file']);
  });
});

describe('event_log.schema_registry', () => {
  const registry = (...lines: string[]) => kafka('schema_registry:', ...lines.map((line) => `  ${line}`));

  it('is none unless one is named', async () => {
    const { configuration } = await load(kafka());
    expect(configuration.event_log).toMatchObject({ schema_registry: { url: null, subjects: 'topic' } });
    const named = await load(registry('url: https://schemas:8081'));
    expect(named.configuration.event_log).toMatchObject({ schema_registry: { url: 'https://schemas:8081' } });
    expect(named.warnings).toEqual([]);
  });

  it.each([
    [['username: u'], 'event_log.schema_registry.url: is needed: there is no registry to log in to'],
    [
      ['url: https://r', 'username: u'],
      'event_log.schema_registry.password_file: is needed to log in as a user',
    ],
    [
      ['url: https://r', 'password_file: /p'],
      'event_log.schema_registry.username: is needed beside a password',
    ],
    [
      ['url: https://r', 'username: u', 'password_file: /p', 'token_file: /t'],
      'event_log.schema_registry.username: one logs in as a user or by a token, not by both',
    ],
    [['url: https://r', 'token: t'], 'event_log.schema_registry.token: a secret does not stand in this file'],
    [['url: https://u:p@r'], 'event_log.schema_registry.url: expected http or https URL'],
    [
      ['urls: https://r'],
      'event_log.schema_registry.urls: unknown key; did you mean event_log.schema_registry.url?',
    ],
    [
      ['url: https://r', 'subjects: name'],
      'event_log.schema_registry.subjects: expected `topic` or `record`',
    ],
  ])('refuses %j', async (lines, said) => {
    expect(await problemsOf(registry(...lines))).toContainEqual(expect.stringContaining(said));
  });

  it('takes password and token out of the environment, and the password out of a file', async () => {
    const file = join(temporaryDirectory(), 'password');
    writeFileSync(file, 'hunter2\n', { mode: 0o600 });
    const { configuration, warnings } = await load(
      registry('url: http://schemas:8081', 'username: u', `password_file: ${file}`),
    );
    const { event_log } = configuration;
    expect(event_log.kind === 'kafka' && event_log.schema_registry.password?.reveal()).toBe('hunter2');
    expect(warnings).toEqual([
      'event_log.schema_registry.url: http://schemas:8081 sends what logs in unencrypted; https would not',
    ]);
    const byToken = await load(registry('url: http://127.0.0.1:8081'), {
      MIGRATION_AUDIT_EVENT_LOG_SCHEMA_REGISTRY_TOKEN: 't0ken',
    });
    expect(JSON.stringify(byToken.configuration)).not.toContain('t0ken');
    expect(byToken.warnings).toEqual([]);
  });
});
