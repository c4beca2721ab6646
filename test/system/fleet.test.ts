import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { Random } from '../../src/sim/random.js';
import { type ClickHouseServer, startClickHouse } from '../services/clickhouse-server.js';
import { describeWithKafka } from '../services/kafka.js';
import { KafkaBroker } from '../services/kafka-broker.js';
import { ACTS, poisoned, type Scene } from './fleet/chaos.js';
import { Fleet } from './fleet/fleet.js';
import { anomalies, expectedRows, storedRows } from './fleet/outcome.js';
import { arrivals, type Recorded, recorded } from './fleet/recorded.js';

const PARTITIONS = 6;
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
      startClickHouse(join(directory, 'clickhouse')),
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
    await fleet.until('the partitions are shared', () => {
      const shares = fleet.running('correlate').map(({ partitions }) => partitions);
      return shares.flat().length === PARTITIONS && shares.every(({ length }) => length > 0);
    });
    return fleet;
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
    'says of every capture what replay says, row for row',
    async () => {
      const fleet = await startFleet();
      await fleet.collected(arrivals(lab.events, new Random(seed)));
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
        console.log(name);
        await fleet.collected(coming.splice(0, share));
        await sleep(random.between(0, 500));
        await act(scene);
      }
      await fleet.collected(coming);
      await expectWhatReplaySays(fleet);
      expect(await deadLetters(fleet)).toEqual(reasons);
      expect([fleet.running('correlate').length, fleet.running('store').length]).toEqual([3, 2]);
    },
    TEST_MS_MAX,
  );

  async function restartClickHouse(away_ms: number): Promise<void> {
    await clickhouse.kill();
    await sleep(away_ms);
    clickhouse = await startClickHouse(join(directory, 'clickhouse'), clickhouse.port);
  }

  /** The reasons of all dead letters, as an administrator sees them. */
  async function deadLetters(fleet: Fleet): Promise<string[]> {
    const { code, out, err } = await fleet.command('dead-letters', 'list', '--format', 'json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const listed = JSON.parse(out) as { dead_letters: { reason: string }[] };
    return listed.dead_letters.map(({ reason }) => reason).sort();
  }
});
