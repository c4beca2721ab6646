import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openKafkaLog } from '../../src/eventlog/kafka/kafka-log.js';
import { encodeEvent } from '../../src/events/codec.js';
import { Random } from '../../src/sim/random.js';
import { ROOT } from '../architecture/source-tree.js';
import { type ClickHouseServer, startClickHouse } from '../services/clickhouse-server.js';
import { describeWithKafka, freshSettings } from '../services/kafka.js';
import { KafkaBroker } from '../services/kafka-broker.js';
import { testLogger } from '../services/test-logger.js';
import { ACTS, poisoned, type Scene } from './fleet/chaos.js';
import { composedEnvironment } from './fleet/composed.js';
import { Fleet } from './fleet/fleet.js';
import { anomalies, expectedRows, storedRows } from './fleet/outcome.js';
import { arrivals, type Recorded, recorded } from './fleet/recorded.js';
import { RoleProcess, runCommand } from './fleet/role-process.js';

const PARTITIONS = 6;
/** one that leads to a finding */
const INCIDENT = 's4-mismatch-fail';
const PASSWORDS = { MIGRATION_AUDIT_WRITER_PASSWORD: 'w', MIGRATION_AUDIT_READER_PASSWORD: 'r' };
const USERS = { file: join(ROOT, 'deploy/clickhouse/users.xml'), passwords: PASSWORDS };
const TEST_MS_MAX = 400_000;

/** All recorded clusters through collectors' spools, Kafka, three processors and two writers into ClickHouse. */
describeWithKafka('a fleet', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  const directory = mkdtempSync(join(tmpdir(), 'migration-audit-fleet-servers-'));
  let broker: KafkaBroker;
  let clickhouse: ClickHouseServer;
  let lab: Recorded;
  beforeAll(async () => {
    console.log(`SEED=${seed}`);
    [broker, clickhouse, lab] = await Promise.all([
      KafkaBroker.start(),
      startClickHouse(join(directory, 'clickhouse'), undefined, USERS),
      recorded(),
    ]);
  });
  afterAll(async () => {
    await clickhouse.kill();
    await broker.destroy();
    rmSync(directory, { recursive: true, force: true });
  });

  async function startFleet(): Promise<Fleet> {
    const fleet = new Fleet({ broker: broker.address, clickhouse: clickhouse.url });
    onTestFinished(() => fleet.close());
    const made = await fleet.prepare(PARTITIONS);
    expect(made).toMatchObject({ code: 0, err: '' });
    for (let processes = 0; processes < 3; processes++) fleet.start('correlate');
    for (let processes = 0; processes < 2; processes++) fleet.start('store');
    await shared(fleet);
    return fleet;
  }

  /** Waits until every processor has partitions, so that whichever is hit next has something to lose. */
  function shared(fleet: Fleet): Promise<void> {
    return fleet.until('the partitions are shared', () => {
      const shares = fleet.running('correlate').map(({ partitions }) => partitions);
      return shares.flat().length === PARTITIONS && shares.every(({ length }) => length > 0);
    });
  }

  /** That the fleet came to what replay says, and to nothing else. */
  async function expectWhatReplaySays(fleet: Fleet): Promise<void> {
    await fleet.settled();
    const store = await fleet.store();
    expect(await storedRows(store, lab.reports.keys())).toEqual(expectedRows(lab.reports));
    const ids = new Set(lab.events.map(({ cluster, id }) => `${cluster} ${id}`));
    expect((await store.counts()).events).toBe(ids.size);
    await store.close();
    expect(await anomalies(fleet.kafka)).toEqual([]);
  }

  it(
    'says of every capture what replay says, row for row, and fills a store that was lost again',
    async () => {
      const fleet = await startFleet();
      await fleet.collected(arrivals(lab.events, new Random(seed)));
      await expectWhatReplaySays(fleet);
      for (const writer of fleet.running('store')) expect(await writer.end('SIGTERM')).toBe(0);
      await fleet.loseStore();
      fleet.start('store');
      await expectWhatReplaySays(fleet);
      for (const role of fleet.roles) expect([role.name, await role.end('SIGTERM')]).toEqual([role.name, 0]);
    },
    TEST_MS_MAX,
  );

  it(
    'comes to the same whatever is killed, stopped or hangs meanwhile, and past what is no event',
    async () => {
      const random = new Random(seed);
      const fleet = await startFleet();
      const scene: Scene = { fleet, partitions: PARTITIONS, broker, restartClickHouse, random };
      const { arrivals: coming, reasons } = poisoned(arrivals(lab.events, random), random);
      const acts = random.shuffled(Object.entries(ACTS));
      const share = Math.ceil(coming.length / (acts.length + 1));
      await fleet.collected(coming.splice(0, share));
      for (const [name, act] of acts) {
        await shared(fleet);
        await fleet.collected(coming.splice(0, share));
        await sleep(random.between(0, 500));
        console.log(`${name}, while ${await fleet.waiting()} events wait`);
        await act(scene);
      }
      await fleet.collected(coming);
      await expectWhatReplaySays(fleet);
      expect(await deadLetters(fleet)).toEqual(reasons);
      expect([fleet.running('correlate').length, fleet.running('store').length]).toEqual([3, 2]);
    },
    TEST_MS_MAX,
  );

  it(
    'runs by what docker-compose.yml tells its roles, as users who may do no more than they need',
    async () => {
      const admin = createClient({ url: clickhouse.url });
      await admin.command({ query: 'CREATE DATABASE migration_audit' });
      await admin.close();
      const given = { MIGRATION_AUDIT_CLUSTER: INCIDENT, ...PASSWORDS };
      const hosts = { 'kafka:9092': broker.address, 'clickhouse:8123': new URL(clickhouse.url).host };
      const environmentOf = (service: string) => ({
        ...composedEnvironment(service, given, hosts),
        MIGRATION_AUDIT_LISTEN_PORT: '0', // containers have ports of their own
      });
      const made = await runCommand(['topics', 'create'], environmentOf('topics'));
      expect(made).toMatchObject({ code: 0, err: '' });
      const roles = (['correlate', 'store'] as const).map(
        (role) => new RoleProcess(role, [role], environmentOf(role)),
      );
      onTestFinished(async () => {
        for (const role of roles) await role.end('SIGKILL');
      });
      const kafka = openKafkaLog(freshSettings(broker.address, { prefix: 'migration-audit' }), testLogger);
      onTestFinished(() => kafka.close());
      const events = lab.events.filter(({ cluster }) => cluster === INCIDENT);
      const records = events.map((event) => ({ key: INCIDENT, value: encodeEvent(event), id: null }));
      await kafka.appendTo('events', records);

      // findings are told with a reader's rights
      const reader = {
        ...environmentOf('store'),
        MIGRATION_AUDIT_STORE_USER: 'migration_audit_reader',
        MIGRATION_AUDIT_STORE_PASSWORD: PASSWORDS.MIGRATION_AUDIT_READER_PASSWORD,
      };
      const config = join(directory, 'empty.yaml');
      writeFileSync(config, '{}');
      const list = ['findings', '--config', config, '--format', 'json'];
      let listed = await runCommand(list, reader);
      const late_ms = performance.now() + 60_000;
      while (listed.code !== 1 && performance.now() < late_ms) listed = await runCommand(list, reader);
      expect(listed).toMatchObject({ code: 1, err: '' });
      const found = (JSON.parse(listed.out) as { findings: { id: string }[] }).findings.map(({ id }) => id);
      expect(found).toEqual(lab.reports.get(INCIDENT)?.findings.map(({ id }) => id));
      for (const role of roles) expect([role.name, await role.end('SIGTERM')]).toEqual([role.name, 0]);
    },
    TEST_MS_MAX,
  );

  async function restartClickHouse(away_ms: number): Promise<void> {
    await clickhouse.kill();
    await sleep(away_ms);
    clickhouse = await startClickHouse(join(directory, 'clickhouse'), clickhouse.port, USERS);
  }

  /** The reasons of all dead letters, as an administrator sees them. */
  async function deadLetters(fleet: Fleet): Promise<string[]> {
    const { code, out, err } = await fleet.command('dead-letters', 'list', '--format', 'json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const listed = JSON.parse(out) as { dead_letters: { reason: string }[] };
    return listed.dead_letters.map(({ reason }) => reason).sort();
  }
});
