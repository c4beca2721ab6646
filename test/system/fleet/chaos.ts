import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { encodeEvent } from '../../../src/events/codec.js';
import type { Random } from '../../../src/sim/random.js';
import { sampleEvent } from '../../events/sample-events.js';
import type { KafkaBroker } from '../../services/kafka-broker.js';
import type { Fleet } from './fleet.js';
import type { Arrival } from './recorded.js';

/** What goes wrong in a fleet, one thing after the other, while events come in. */

export interface Scene {
  fleet: Fleet;
  partitions: number;
  broker: KafkaBroker;
  restartClickHouse: (away_ms: number) => Promise<void>;
  random: Random;
}

const BROKER_AWAY_MS = 10_000;
const CLICKHOUSE_AWAY_MS = 3_000;

export const ACTS: Record<string, (scene: Scene) => Promise<void>> = {
  async 'a processor is killed'({ fleet, random }) {
    await random.pick(fleet.running('correlate')).end('SIGKILL');
    fleet.start('correlate');
  },

  async 'a processor is ended, and finishes what it has begun'({ fleet, random }) {
    expect(await random.pick(fleet.running('correlate')).end('SIGTERM')).toBe(0);
    fleet.start('correlate');
  },

  async 'a processor hangs until the others have its partitions, and comes back'({
    fleet,
    random,
    partitions,
  }) {
    const zombie = random.pick(fleet.running('correlate'));
    const others = fleet.running('correlate').filter((process) => process !== zombie);
    zombie.signal('SIGSTOP');
    await fleet.until('the others have its partitions', () => {
      return others.flatMap((process) => process.partitions).length === partitions;
    });
    zombie.signal('SIGCONT');
  },

  async 'a writer is killed'({ fleet, random }) {
    await random.pick(fleet.running('store')).end('SIGKILL');
    fleet.start('store');
  },

  'ClickHouse is killed, and comes back': ({ restartClickHouse }) => restartClickHouse(CLICKHOUSE_AWAY_MS),

  async 'the broker is stopped, and comes back'({ broker }) {
    await broker.stop();
    await sleep(BROKER_AWAY_MS);
    await broker.restart();
  },
};

/** By the reason that the dead letter has to give. */
const POISON: [reason: string, make: (random: Random) => Buffer][] = [
  // without zeros: one in front would be the form of schema registries
  ['bad-event', (random) => Buffer.from(Array.from({ length: 200 }, () => random.between(1, 255)))],
  ['bad-event', () => Buffer.alloc(0)],
  ['bad-event', () => encodeEvent(sampleEvent('Heartbeat')).subarray(0, 30)],
  ['unknown-schema', ofNewerVersion],
];
const POISON_OF_EACH = 4;

function ofNewerVersion(): Buffer {
  const bytes = encodeEvent(sampleEvent('Heartbeat'));
  bytes.fill(0xee, 2, 10); // the fingerprint of its schema
  return bytes;
}

export interface Poisoned {
  arrivals: Arrival[];
  /** of the dead letters that must be */
  reasons: string[];
}

/** What is no event, among those that are: before all, after all, and anywhere. */
export function poisoned(arrivals: readonly Arrival[], random: Random): Poisoned {
  const mixed = [...arrivals];
  const kinds = random.shuffled(Array.from({ length: POISON_OF_EACH }, () => POISON).flat());
  for (const [index, [, make]] of kinds.entries()) {
    const { cluster } = random.pick(arrivals);
    const edges = [0, mixed.length];
    mixed.splice(edges[index] ?? random.between(0, mixed.length), 0, { cluster, value: make(random) });
  }
  return { arrivals: mixed, reasons: kinds.map(([reason]) => reason).sort() };
}
