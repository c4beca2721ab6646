import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { kafkaClassPath } from './kafka-jars.js';

/** A real Apache Kafka broker in KRaft mode, on loopback, alone in its cluster or one of several. */

export interface BrokerOptions {
  /** its place among several; each of them is a controller, too */
  node?: { id: number; controllers: readonly { id: number; port: number }[] };
  /** what server.properties says of a second listener, SECURE */
  properties?: (ports: { plain: number; secure: number }) => Record<string, string>;
  /** users for SCRAM, as `kafka-storage format --add-scram` takes them */
  scram?: readonly string[];
  heap_mib?: number;
}

const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 30_000;
/** A test's broker lives for minutes: what the first compiler gives is enough, and starts sooner. */
const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto', '-Xss512k'];

export class KafkaBroker {
  readonly address: string;
  /** of the listener that `properties` may describe */
  readonly secureAddress: string;
  readonly #directory: string;
  readonly #arguments: readonly string[];
  readonly #port: number;
  #process: ChildProcess | null = null;

  private constructor(directory: string, ports: { plain: number; secure: number }, args: readonly string[]) {
    this.#directory = directory;
    this.#arguments = args;
    this.#port = ports.plain;
    this.address = `127.0.0.1:${ports.plain}`;
    this.secureAddress = `127.0.0.1:${ports.secure}`;
  }

  /** Formats a new cluster and starts its broker. */
  static async start(options: BrokerOptions = {}): Promise<KafkaBroker> {
    const directory = await mkdtemp(join(tmpdir(), 'migration-audit-kafka-'));
    const [plain = 0, secure = 0, controller = 0] = await freePorts(3);
    const node = options.node ?? { id: 1, controllers: [{ id: 1, port: controller }] };
    const common = commonProperties(directory, plain, node);
    const properties = { ...common, ...options.properties?.({ plain, secure }) };
    if (options.properties !== undefined)
      properties['listeners'] = `${common['listeners']},SECURE://127.0.0.1:${secure}`;
    const config = join(directory, 'server.properties');
    await writeFile(
      config,
      Object.entries(properties)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    );
    await writeFile(join(directory, 'log4j2.properties'), LOG4J);
    const java = [
      `-Xmx${options.heap_mib ?? 384}m`,
      ...JVM,
      `-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`,
      '-cp',
      await kafkaClassPath(),
    ];
    const broker = new KafkaBroker(directory, { plain, secure }, [...java, 'kafka.Kafka', config]);
    try {
      const scram = (options.scram ?? []).flatMap((user) => ['--add-scram', user]);
      const format = [
        'format',
        '--cluster-id',
        'bWlncmF0aW9uLWF1ZGl0Lg',
        '--config',
        config,
        '--ignore-formatted',
      ];
      await promisify(execFile)('java', [...java, 'kafka.tools.StorageTool', ...format, ...scram]);
      await broker.restart();
    } catch (error) {
      await broker.destroy();
      throw error;
    }
    return broker;
  }

  /** Starts it on the ports and the data that it had. */
  async restart(): Promise<void> {
    const output = openSync(join(this.#directory, 'output.log'), 'a');
    const child = spawn('java', [...this.#arguments], {
      stdio: ['ignore', output, output],
      cwd: this.#directory,
    });
    this.#process = child;
    // a test run that ends on the way leaves nothing behind
    const endWithParent = () => child.kill('SIGKILL');
    process.once('exit', endWithParent);
    child.once('exit', () => process.off('exit', endWithParent));
    const started = performance.now();
    while (!(await answers(this.#port))) {
      if (
        child.exitCode !== null ||
        child.signalCode !== null ||
        performance.now() - started > START_TIMEOUT_MS
      ) {
        await this.kill();
        const output = await readFile(join(this.#directory, 'output.log'), 'utf8');
        throw new Error(`the Kafka broker did not start:\n${output.slice(-4000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** As an administrator stops it; by force when that takes too long. */
  async stop(): Promise<void> {
    const forced = setTimeout(() => this.#process?.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#end('SIGTERM');
    clearTimeout(forced);
  }

  /** As a power cut ends it. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async destroy(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill(signal);
    });
  }
}

function commonProperties(
  directory: string,
  plain: number,
  { id, controllers }: Required<BrokerOptions>['node'],
): Record<string, string> {
  const copies = String(controllers.length);
  const in_sync = String(Math.max(1, controllers.length - 1));
  const own = controllers.find((each) => each.id === id);
  return {
    'process.roles': 'broker,controller',
    'node.id': String(id),
    'controller.quorum.voters': controllers.map(({ id, port }) => `${id}@127.0.0.1:${port}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${own?.port}`,
    'log.dirs': join(directory, 'data'),
    'auto.create.topics.enable': 'false',
    'min.insync.replicas': in_sync,
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': in_sync,
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': in_sync,
    // a group of one need not wait for others that might join
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    // how long the controller takes a killed broker for alive, and so refuses its successor
    'broker.session.timeout.ms': '1500',
    'broker.heartbeat.interval.ms': '300',
    'controlled.shutdown.enable': 'false',
    'log.cleaner.backoff.ms': '200',
    'log.cleaner.dedupe.buffer.size': String(4 << 20),
    'num.network.threads': '2',
    'num.io.threads': '4',
  };
}

const LOG4J = `rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1} %m%n
`;

/** Held all at once, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.on('error', reject);
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
  });
}
