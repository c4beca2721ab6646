import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { deadLetter } from '../../src/eventlog/dead-letter.js';
import { kafkaClient } from '../../src/eventlog/kafka/client.js';
import { openKafkaLog } from '../../src/eventlog/kafka/kafka-log.js';
import { topicName } from '../../src/eventlog/kafka/settings.js';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import type { LogRecord, ProcessorLog } from '../../src/eventlog/port.js';
import { readUntil, record, taken } from '../eventlog/contract.js';
import { eventually } from '../eventlog/kafka/fleet.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { describeWithKafka, freshSettings, sharedBroker } from '../services/kafka.js';
import { testLogger } from '../services/test-logger.js';
import { runCommand } from './run-command.js';

const CLI = new URL('../../src/cli.ts', import.meta.url).pathname;
const HOSTILE = Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0x00, 0xff, 0x0a, 0x41]);

async function buryEverything(log: ProcessorLog, count: number): Promise<void> {
  const answer = (batch: readonly LogRecord[]) =>
    batch.map((each) => deadLetter('group', 'bad-event', each, 'no Avro marker \x1b[31m'));
  await readUntil(log, { answer }, taken(count));
}

describe('dead-letters, of one machine', () => {
  let config: string;
  let directory: string;
  const open = () =>
    openLocalLog({ directory: join(directory, 'event-log'), bytes_max: 1 << 26, retain_us: 1e15 });
  beforeEach(async () => {
    directory = temporaryDirectory();
    config = join(directory, 'config.yaml');
    writeFileSync(config, `cluster: lab\ndata_directory: ${directory}\n`);
    const log = open();
    await log.appendTo('events', [{ ...record('x'), value: HOSTILE }, record('b')]);
    await buryEverything(log, 2);
    await log.close();
  });
  const command = (...argv: string[]) => runCommand(['dead-letters', ...argv, '-c', config]);

  it('lists them without what a terminal would obey', async () => {
    const { out, exit } = await command('list');
    expect(exit).toBe(0);
    expect(out.split('\n').map((line) => line.split('  ')[0])).toEqual(['0:0', '0:1', '']);
    expect(out).toContain('bad-event  events 0:0  8 bytes  no Avro marker \\x1b[31m');
    expect(out).toMatch(/^[ -~\n]*$/);
  });

  it('lists them as JSON, and only those with a reason', async () => {
    const { dead_letters } = JSON.parse((await command('list', '-f', 'json')).out);
    expect(dead_letters).toMatchObject([
      { id: '0:0', reason: 'bad-event', from: { topic: 'events', partition: 0, offset: 0 }, bytes: 8 },
      { id: '0:1' },
    ]);
    expect(JSON.parse((await command('list', '-f', 'json', '--reason', 'too-large')).out)).toEqual({
      dead_letters: [],
    });
    expect((await command('list', '--reason', 'too-large')).out).toBe('There are no dead letters.\n');
    expect((await command('list', '-f', 'ndjson')).out.trimEnd().split('\n').length).toBe(2);
  });

  it('shows one, and its bytes as they were', async () => {
    const { out } = await command('show', '0:0');
    expect(out).toContain('reason  bad-event: its bytes are no event');
    expect(out).toContain('000000  1b 5b 32 4a 00 ff 0a 41');
    expect(out).toMatch(/^[ -~\n]*$/);
    const { base64 } = JSON.parse((await command('show', '0:0', '-f', 'json')).out);
    expect(Buffer.from(base64, 'base64')).toEqual(HOSTILE);
  });

  it('appends them again, as they were', async () => {
    expect((await command('redrive', '0:0')).out).toBe('1 appended again.\n');
    expect((await command('redrive', '--all')).out).toBe('2 appended again.\n');
    const log = open();
    const { taken: values } = await readUntil(log, { group: 'other' }, taken(5));
    expect(values.slice(2)).toEqual([HOSTILE.toString(), HOSTILE.toString(), 'b']);
    await log.close();
  });

  it('says what is wrong', async () => {
    expect(await command('show', '0:9')).toMatchObject({
      exit: 3,
      err: expect.stringContaining('MA_NO_DEAD_LETTER'),
    });
    expect(await command('redrive', '0:9')).toMatchObject({ exit: 3, err: expect.stringContaining('0:9') });
    expect(await command('redrive')).toMatchObject({ exit: 2, err: expect.stringContaining('MA_USAGE') });
    const log = open();
    expect((await command('list')).exit).toBe(0);
    await log.close();
  });
});

describe('topics, without Kafka', () => {
  it('says that the configuration has none', async () => {
    const { exit, err } = await runCommand(['topics', 'check'], { env: { MIGRATION_AUDIT_CLUSTER: 'lab' } });
    expect(exit).toBe(2);
    expect(err).toContain('event_log.kind');
  });
});

describe('the program', () => {
  it('loads what these commands need as Node does it', () => {
    const { stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', CLI, 'topics', 'check'], {
      encoding: 'utf8',
      env: {
        ...process.env,
        MIGRATION_AUDIT_CLUSTER: 'lab',
        MIGRATION_AUDIT_EVENT_LOG_KIND: 'kafka',
        MIGRATION_AUDIT_EVENT_LOG_BROKERS: '127.0.0.1:1',
        MIGRATION_AUDIT_EVENT_LOG_SSL_ENABLED: 'false',
      },
    });
    expect(stderr).toMatch(/^error MA_KAFKA: .*127\.0\.0\.1:1\n/);
    expect(status).toBe(3);
  });
});

describeWithKafka('topics, and dead letters on Kafka', () => {
  it('are made, checked, listed and sent again', async () => {
    const settings = freshSettings(await sharedBroker());
    const env = {
      MIGRATION_AUDIT_CLUSTER: 'lab',
      MIGRATION_AUDIT_EVENT_LOG_KIND: 'kafka',
      MIGRATION_AUDIT_EVENT_LOG_BROKERS: settings.brokers.join(','),
      MIGRATION_AUDIT_EVENT_LOG_TOPIC_PREFIX: settings.prefix,
      MIGRATION_AUDIT_EVENT_LOG_SSL_ENABLED: 'false',
      MIGRATION_AUDIT_EVENT_LOG_PARTITIONS: '3',
      MIGRATION_AUDIT_EVENT_LOG_REPLICATION: '1',
    };
    const command = (...argv: string[]) => runCommand(argv, { env });
    const problemsOf = async () => JSON.parse((await command('topics', 'check', '-f', 'json')).out).problems;

    expect((await command('topics', 'check')).exit).toBe(3);
    expect(await problemsOf()).toContainEqual({
      topic: `${settings.prefix}.state`,
      setting: 'topic',
      found: 'missing',
      wanted: 'there',
      severity: 'error',
    });
    const created = await command('topics', 'create');
    expect(created).toMatchObject({ exit: 0, err: '' });
    expect(created.out.split('\n').filter((line) => line.startsWith('made ')).length).toBe(5);
    expect(await command('topics', 'check')).toMatchObject({
      exit: 0,
      out: 'The topics are as they have to be.\n',
    });
    expect(JSON.parse((await command('topics', 'create', '-f', 'json')).out)).toEqual({
      created: [],
      registered: [],
      problems: [],
    });

    const log = openKafkaLog(settings, testLogger);
    await log.appendTo('events', [{ ...record('x'), value: HOSTILE }]);
    await buryEverything(log, 1);
    const { dead_letters } = JSON.parse((await command('dead-letters', 'list', '-f', 'json')).out);
    expect(dead_letters).toMatchObject([{ reason: 'bad-event', bytes: 8 }]);
    expect((await command('dead-letters', 'redrive', dead_letters[0].id)).out).toBe('1 appended again.\n');
    expect((await readUntil(log, { group: 'other' }, taken(2))).taken).toEqual(
      Array(2).fill(HOSTILE.toString()),
    );
    await log.close();

    const admin = kafkaClient(settings, testLogger).admin();
    await admin.connect();
    await admin.createPartitions({ topicPartitions: [{ topic: topicName(settings, 'events'), count: 4 }] });
    const configEntries = [{ name: 'cleanup.policy', value: 'delete' }];
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topicName(settings, 'state'), configEntries }],
    });
    await admin.disconnect();
    let problems: { setting: string }[] = [];
    await eventually('the broker knows of the changes', async () => {
      problems = await problemsOf();
      return problems.length >= 5;
    });
    expect(problems.filter(({ setting }) => setting === 'partitions').length).toBe(4);
    expect(problems).toContainEqual({
      topic: `${settings.prefix}.state`,
      setting: 'cleanup.policy',
      found: 'delete',
      wanted: 'compact',
      severity: 'error',
    });
    expect((await command('topics', 'check')).out).toMatch(
      /error +\S+\.state +cleanup\.policy +delete, should be compact/,
    );
  });
});
