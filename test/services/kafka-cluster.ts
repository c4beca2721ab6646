import { freePorts, KafkaBroker } from './kafka-broker.js';

/** Several brokers, each of them a controller, too: what one alone cannot show is that work goes on without one of them. */
export class KafkaCluster {
  readonly brokers: readonly KafkaBroker[];

  private constructor(brokers: readonly KafkaBroker[]) {
    this.brokers = brokers;
  }

  static async start(count: number): Promise<KafkaCluster> {
    const ports = await freePorts(count);
    const controllers = ports.map((port, index) => ({ id: index + 1, port }));
    // a controller answers when most of them are there
    const starting = controllers.map(({ id }) =>
      KafkaBroker.start({ node: { id, controllers }, heap_mib: 256 }),
    );
    const settled = await Promise.allSettled(starting);
    const failed = settled.find((each) => each.status === 'rejected');
    const brokers = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const cluster = new KafkaCluster(brokers);
    if (failed === undefined) return cluster;
    await cluster.destroy();
    throw failed.reason;
  }

  get addresses(): string[] {
    return this.brokers.map(({ address }) => address);
  }

  /** By the number that Kafka knows it by. */
  broker(id: number): KafkaBroker {
    return this.brokers[id - 1] as KafkaBroker;
  }

  async destroy(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.destroy()));
  }
}
